//! A program from the artifact store: decompressed, its own hash checked, put in its place in one move.

use super::{Context, State, StepError};
use bedplate_protocol::Sha256Hex;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;

pub(super) fn inspect(path: &str, mode: u32, wanted: &Sha256Hex, context: &Context<'_>) -> Result<State, StepError> {
    let path = context.at(path);
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(State::differs("no such file", format!("program {}", wanted.short())));
        }
        file => file.map_err(StepError::io(&path, "read"))?,
    };
    let bits = file
        .metadata()
        .map_err(StepError::io(&path, "read"))?
        .permissions()
        .mode()
        & 0o7777;
    let mut hasher = Sha256::new();
    copy(&mut file, |bytes| {
        hasher.update(bytes);
        Ok(())
    })
    .map_err(StepError::io(&path, "read"))?;
    let found = Sha256Hex::from_hasher(hasher);
    if found != *wanted {
        return Ok(State::differs(
            format!("program {}", found.short()),
            format!("program {}", wanted.short()),
        ));
    }
    if bits != mode {
        return Ok(State::differs(format!("mode {bits:04o}"), format!("mode {mode:04o}")));
    }
    Ok(State::Holds)
}

pub(super) fn change(
    path: &str,
    mode: u32,
    artifact: &Sha256Hex,
    wanted: &Sha256Hex,
    context: &Context<'_>,
) -> Result<(), StepError> {
    let path = context.at(path);
    if let Some(parent) = path.parent() {
        crate::durable::directory(parent, 0o755).map_err(StepError::io(parent, "created"))?;
    }
    let mut program = context.store.open(artifact)?;
    let mut file = crate::durable::Pending::create(&path).map_err(StepError::io(&path, "written"))?;
    let mut hasher = Sha256::new();
    copy(&mut program, |bytes| {
        hasher.update(bytes);
        file.write_all(bytes)
    })
    .map_err(StepError::io(&path, "unpacked"))?;
    let found = Sha256Hex::from_hasher(hasher);
    if found != *wanted {
        return Err(StepError::Stands {
            code: "artifact-content",
            message: format!(
                "artifact {artifact} unpacks to {found}, and {} must be {wanted}",
                path.display()
            ),
            cure: "the artifact directory's index does not fit its files; make it again".to_owned(),
        });
    }
    // A name that is taken by a directory fails in the rename, with nothing lost.
    // The executor flushes all programs at once, before the run ends.
    let result = file.publish_unflushed(mode);
    if fs::metadata(&path).is_ok_and(|there| there.is_dir()) {
        return Err(StepError::Stands {
            code: "program-is-a-directory",
            message: format!("{} is a directory and must be a program", path.display()),
            cure: format!("move it away: `mv {0} {0}.old`", path.display()),
        });
    }
    result.map_err(StepError::io(&path, "written"))
}

fn copy(source: &mut dyn Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}
