//! Which tasks a filter wants, as a statement that walks an index.

use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::store::TaskFilter;
use crate::store::sqlite::conditions::Conditions;

pub(super) fn conditions(filter: &TaskFilter) -> Conditions {
    Conditions::default()
        .given(filter.role.clone(), ":role", "role = :role")
        .given(filter.assignee.clone(), ":assignee", "assignee = :assignee")
        .given(filter.chain_id.clone(), ":chain", "chain_id = :chain")
        .given(filter.parent.map(TaskId::number), ":parent", "parent = :parent")
        .given(filter.holder.as_ref().map(|id| id.as_str().to_owned()), ":holder", "holder = :holder")
        .given(filter.label.clone(), ":label", "id in (select task from task_label where label = :label)")
        .given(filter.before.map(TaskId::number), ":before", "id < :before")
        .given(filter.after.map(TaskId::number), ":after", "id > :after")
        .given(filter.job.map(JobId::number), ":job", "job = :job")
        .given(filter.repo.clone(), ":repo", "repo = :repo")
}

/// One limited look per standing, put together: each walks its own index from its newest end, so none of them sorts.
pub(super) fn by_standing(filter: &TaskFilter, conditions: &str, select: &str, order: &str) -> String {
    // The indexes on roles and jobs go by standing, so either without one is looked up in all of them.
    let has_index = filter.role.is_some() || filter.job.is_some();
    let standings = match (has_index, filter.standings.as_slice()) {
        (false, []) => return format!("select {select} from task where 1{conditions} {order}"),
        (true, []) => Standing::ALL.as_slice(),
        (_, standings) => standings,
    };
    let arms: Vec<String> = standings
        .iter()
        .map(|standing| {
            // What is held is little, and has its own index, which must be named: its order is another one.
            let (index, held) = match standing {
                Standing::Claimed | Standing::InProgress if filter.job.is_some() => ("", "not null"),
                Standing::Claimed | Standing::InProgress => ("indexed by task_lease", "not null"),
                _ => ("", "null"),
            };
            let index = if filter.job.is_some() { "indexed by task_job_standing" } else { index };
            let word = standing.word();
            format!(
                "select * from (select {select} from task {index}
                    where standing = '{word}' and lease_until is {held}{conditions} {order})"
            )
        })
        .collect();
    arms.join(" union all ")
}
