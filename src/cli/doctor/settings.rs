//! What people wrote for `launch`, `land` and `repos`: `orch.toml`, and a file for each role and each pipeline. What nobody understands
//! is told with its line, before a launch fails by it.

use crate::cli::doctor::Doctor;
use crate::cli::doctor::check::Check;
use crate::cli::doctor::check::counted;
use crate::cli::doctor::place::said;
use crate::cli::rehearse::target_is_there;
use crate::error::Error;
use crate::error::Result;
use std::path::Path;

const SETTINGS: &str = "settings";

pub(super) fn check(doctor: &Doctor) -> Check {
    match read(doctor) {
        Ok((found, wrong, roleless)) if wrong.is_empty() => match roleless.is_empty() {
            true => Check::ok(SETTINGS, found),
            false => Check::warning(SETTINGS, format!("{found}; {}", roleless.join("; "))),
        },
        Ok((_, wrong, _)) => Check::error(SETTINGS, wrong.iter().map(said).collect::<Vec<_>>().join("; ")),
        Err(error) => Check::error(SETTINGS, said(&error)),
    }
}

/// What there is, what is wrong with it, and which stages are for a role that has no file. Where the file cannot be read, nothing else is looked at.
fn read(doctor: &Doctor) -> Result<(String, Vec<Error>, Vec<String>)> {
    let config = &doctor.config;
    let file = config.file()?;
    let mut wrong: Vec<Error> = Vec::new();
    let roles = config.roles(&file)?;
    let launch = config.launch(&file).and_then(|launch| launch.workers(&roles).map(drop));
    wrong.extend(launch.err());
    let dir = config.surroundings().cwd.map(Path::to_owned).unwrap_or_default();
    wrong.extend(config.land(&file).and_then(|land| target_is_there(&land, &dir)).err());
    wrong.extend(config.repositories(&file).err());
    let names = roles.names()?;
    for name in &names {
        let error = roles.read(name).err();
        // The counts of a launch are read from the same files.
        wrong.extend(error.filter(|error| wrong.iter().all(|known| known.message != error.message)));
    }
    let pipelines = config.pipelines()?.list()?;
    wrong.extend(pipelines.iter().filter_map(|one| one.pipeline.clone().err()));
    // Sessions may bear a role that no file has, but nobody can be launched for it.
    let stages = pipelines.iter().filter_map(|one| Some((&one.name, &one.pipeline.as_ref().ok()?.stages)));
    let stages = stages.flat_map(|(name, stages)| stages.iter().map(move |stage| (name, stage)));
    let roleless = stages.filter(|(_, stage)| !names.iter().any(|role| role.eq_ignore_ascii_case(&stage.role)));
    let roleless = roleless.map(|(name, stage)| {
        let (stage, role) = (&stage.name, &stage.role);
        format!("the stage `{stage}` of `{name}` is for the role `{role}`, of which no worker can be launched: write .orch/roles/{role}.md, or correct it")
    });
    let roleless: Vec<String> = roleless.collect();
    let shown = if file.path.is_some() { file.shown() } else { "no orch.toml".to_owned() };
    let (roles, pipelines) = (counted(names.len(), "role"), counted(pipelines.len(), "pipeline"));
    Ok((format!("{shown}, {roles}, {pipelines}"), wrong, roleless))
}
