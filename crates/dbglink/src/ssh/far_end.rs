//! The far end of a pipe that somebody reaches by ssh: started there by their shell, as them, it
//! connects to the pipe and passes bytes on. It reads none of them, and has no more rights than
//! they have.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::time::Duration;

use super::greeting;
use crate::connect_string::PipeName;
use crate::error::PipeFault;
use crate::exec::{Raw, pass_on};
use crate::{LinkError, RunDir, unix};

/// How long a busy server may take to accept.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Connects standard input and output to a pipe of this machine, until either side ends. Whether
/// that has gone well is said first, on standard output.
///
/// **Errors**: [`LinkError`], which has been said then.
/// **Threads**: takes the calling one, and leaves another behind, which ends with its input.
pub fn serve_far_end(pipe: &OsStr, run_dir: &RunDir) -> Result<(), LinkError> {
    let name = pipe.to_str().and_then(|name| PipeName::new(name).ok());
    let not_found = || PipeFault::NotFound {
        pipe: pipe.to_string_lossy().into_owned(),
        searched: run_dir.searched().map(std::path::Path::to_owned).collect(),
    };
    let link = match name {
        Some(name) => unix::connect_to(&name, run_dir, TIMEOUT),
        None => Err(not_found().into()),
    };
    let link = match link {
        Ok(link) => link,
        Err(error) => {
            // Whoever has gone meanwhile need not hear it.
            let _ = say(&greeting::write(Err(&error.to_string())));
            return Err(error);
        }
    };
    if say(&greeting::write(Ok(()))).is_err() {
        return Ok(());
    }
    let failed = |reason| LinkError::Socket { what: "take over stdio", reason };
    let stdin = rustix::stdio::stdin().try_clone_to_owned().map_err(failed)?;
    let stdout = rustix::stdio::stdout().try_clone_to_owned().map_err(failed)?;
    let end = link.shutdown_handle();
    let (from_server, to_server) = link.split();
    let inward = std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        pass_on(Raw(stdin), to_server);
        // The client is gone; the server is told, and so the other direction ends, too.
        let _ = end.shutdown();
    });
    inward.map_err(failed)?;
    pass_on(from_server, Raw(stdout));
    Ok(())
}

fn say(bytes: &[u8]) -> io::Result<()> {
    Raw(rustix::stdio::stdout().try_clone_to_owned()?).write_all(bytes)
}
