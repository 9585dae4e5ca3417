//! A symbolic link, put in its place in one move. Only a link of ours is replaced: what else has the name is somebody's.

use super::{Context, State, StepError};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

pub(super) fn inspect(path: &str, target: &str, ours: &str, context: &Context<'_>) -> Result<State, StepError> {
    let place = context.at(path);
    let wanted = format!("a link to {target}");
    let found = match fs::read_link(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::differs("no such file", wanted)),
        // It is there and no link.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(taken(&place, "no link", target)),
        found => found.map_err(StepError::io(&place, "read"))?,
    };
    if found == Path::new(target) {
        return Ok(State::Holds);
    }
    if !found.starts_with(ours) {
        return Err(taken(&place, &format!("a link to {}", found.display()), target));
    }
    Ok(State::differs(format!("a link to {}", found.display()), wanted))
}

pub(super) fn change(path: &str, target: &str, context: &Context<'_>) -> Result<(), StepError> {
    let place = context.at(path);
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let beside = place.with_file_name(format!(".{name}.bedplate-{}", std::process::id()));
    if let Some(parent) = place.parent() {
        crate::durable::directory(parent, 0o755).map_err(StepError::io(parent, "created"))?;
    }
    // What an interrupted attempt of this process id left there.
    crate::durable::remove(&beside).map_err(StepError::io(&beside, "removed"))?;
    symlink(target, &beside).map_err(StepError::io(&beside, "made"))?;
    let renamed = fs::rename(&beside, &place).map_err(StepError::io(&place, "put in its place"));
    if renamed.is_err() {
        // The error is told; a link that stays beside is overwritten by the next attempt.
        let _ = fs::remove_file(&beside);
    }
    renamed?;
    crate::durable::sync_parent(&place).map_err(StepError::io(&place, "flushed"))
}

fn taken(place: &Path, found: &str, target: &str) -> StepError {
    StepError::Stands {
        code: "link-taken",
        message: format!(
            "{} is {found} and not bedplate's; it must be a link to {target}",
            place.display()
        ),
        cure: format!(
            "if nobody needs it, move it away: `mv {0} {0}.old`, then run `bedplate up` again",
            place.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Layout;
    use crate::store::ArtifactStore;
    use crate::values::Values;
    use bedplate_protocol::Mode;
    use std::path::PathBuf;

    const PATH: &str = "/usr/local/bin/program";
    const OURS: &str = "/usr/local/lib/bedplate";
    const OLD: &str = "/usr/local/lib/bedplate/1/program";
    const NEW: &str = "/usr/local/lib/bedplate/2/program";

    /// A host's tree, in which `work` is done.
    fn on_a_host(work: impl FnOnce(&Context<'_>, PathBuf)) {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let context = Context {
            layout: &layout,
            mode: Mode::Change,
            values: &Values::default(),
            store: &ArtifactStore::new(layout.artifacts()),
            waiting: &|_, _| (),
        };
        work(&context, context.at(PATH));
    }

    fn holds(target: &str, context: &Context<'_>) -> bool {
        matches!(inspect(PATH, target, OURS, context).unwrap(), State::Holds)
    }

    #[test]
    fn a_link_is_made_and_a_newer_target_replaces_it_though_the_old_one_is_gone() {
        on_a_host(|context, place| {
            for target in [OLD, NEW] {
                assert!(!holds(target, context));
                change(PATH, target, context).unwrap();
                assert!(holds(target, context));
                assert_eq!(fs::read_link(&place).unwrap(), Path::new(target));
            }
            let names: Vec<_> = fs::read_dir(place.parent().unwrap()).unwrap().collect();
            assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
        });
    }

    #[test]
    fn what_somebody_else_has_put_there_is_named_and_left() {
        type Put = fn(&Path);
        let puts: [(&str, Put); 3] = [
            ("no link", |place| fs::write(place, "theirs").unwrap()),
            ("no link", |place| fs::create_dir(place).unwrap()),
            ("a link to /opt/program", |place| {
                symlink("/opt/program", place).unwrap();
            }),
        ];
        for (word, put) in puts {
            on_a_host(|context, place| {
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                put(&place);
                let finding = inspect(PATH, NEW, OURS, context).unwrap_err().finding("gpu-1");
                assert_eq!(finding.code, "link-taken");
                assert!(finding.message.contains(word), "{finding}");
                assert!(finding.remedy.contains("mv "), "{finding}");
            });
        }
    }

    #[test]
    fn a_folder_whose_name_only_begins_like_ours_is_somebody_elses() {
        on_a_host(|context, place| {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            symlink("/usr/local/lib/bedplate-old/program", &place).unwrap();
            assert!(inspect(PATH, NEW, OURS, context).is_err());
        });
    }
}
