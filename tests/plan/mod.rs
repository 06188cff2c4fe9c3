//! Plans: read, written, held against what is there, drawn. Nothing here needs a store.

mod formats;
mod hostile;
mod round_trips;

use orch_mcp::plan::Draft;
use orch_mcp::plan::Faults;
use orch_mcp::plan::File;
use orch_mcp::plan::Kind;
use orch_mcp::plan::Plan;
use orch_mcp::plan::Rules;

/// Files by name and text, of a kind that is to be found out.
pub fn read(files: &[(&str, &str)]) -> Result<Plan, Faults> {
    read_as(files, None)
}

pub fn read_as(files: &[(&str, &str)], kind: Option<Kind>) -> Result<Plan, Faults> {
    let files: Vec<File> = files.iter().map(|(name, text)| File { name, bytes: text.as_bytes() }).collect();
    orch_mcp::plan::read(&files, kind, &Rules::default())
}

#[track_caller]
pub fn plan(files: &[(&str, &str)]) -> Plan {
    read(files).unwrap_or_else(|faults| panic!("{faults}"))
}

/// All faults, one a line.
#[track_caller]
pub fn faults(files: &[(&str, &str)]) -> String {
    match read(files) {
        Ok(plan) => panic!("no fault in {plan:#?}"),
        Err(faults) => faults.to_string(),
    }
}

pub fn keys(plan: &Plan) -> Vec<&str> {
    plan.drafts().map(|draft| draft.key.as_str()).collect()
}

#[track_caller]
pub fn draft<'a>(plan: &'a Plan, key: &str) -> &'a Draft {
    plan.drafts().find(|draft| draft.key == key).unwrap_or_else(|| panic!("no `{key}` in {:?}", keys(plan)))
}
