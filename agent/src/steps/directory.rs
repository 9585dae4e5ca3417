//! A directory with its permission bits.

use super::{Context, State, StepError};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

pub(super) fn inspect(path: &str, mode: u32, context: &Context<'_>) -> Result<State, StepError> {
    let path = context.at(path);
    let metadata = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(State::differs(
                "no such directory",
                format!("a directory with mode {mode:04o}"),
            ));
        }
        metadata => metadata.map_err(StepError::io(&path, "read"))?,
    };
    if !metadata.is_dir() {
        return Err(StepError::Stands {
            code: "not-a-directory",
            message: format!("{} is a file and must be a directory", path.display()),
            cure: format!("move it away: `mv {0} {0}.old`", path.display()),
        });
    }
    let bits = metadata.permissions().mode() & 0o7777;
    if bits == mode {
        return Ok(State::Holds);
    }
    Ok(State::differs(format!("mode {bits:04o}"), format!("mode {mode:04o}")))
}

pub(super) fn change(path: &str, mode: u32, context: &Context<'_>) -> Result<(), StepError> {
    let path = context.at(path);
    crate::durable::directory(&path, 0o755).map_err(StepError::io(&path, "created"))?;
    fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(StepError::io(&path, "given its mode"))
}
