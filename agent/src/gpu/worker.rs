//! The process that owns NVML: loads the library once, reads every GPU at each request, tells events between them, and ends
//! when its parent closes the socket or SIGTERM comes. Called by the verb `nvml-worker`, which only [`super::parent`] starts.
//!
//! Either end is one between two calls, never inside one: ending a client inside a call can leave a GPU stuck
//! (github.com/NVIDIA/dcgm-exporter issue 84, read 2026-11-21). So calls are made in a thread of their own, and the first thread,
//! which is the one that a signal interrupts, only waits for the end. What waits for events is ended in its wait, as in any client.

use super::codes::code;
use super::device::Reader;
use super::progress::Page;
use super::raw;
use super::watch::Watch;
use super::wire::{BorrowedLine, Line, Request};
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::Serialize;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The library's code runs on it, and gets what it has in other clients: the stack of a first thread.
const STACK: usize = 8 << 20;

/// Where lines go; a buffer that is kept makes each of them one write.
pub(super) struct Output {
    to: Box<dyn Write + Send>,
    buffer: Vec<u8>,
}

impl Output {
    pub(super) fn new(to: impl Write + Send + 'static) -> Self {
        Self {
            to: Box::new(to),
            buffer: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        self.to.write_all(&self.buffer)
    }
}

/// One session with the library.
struct Session {
    nvml: &'static Nvml,
    reader: Reader,
    watch: Option<Watch>,
    /// GPUs whose registration spoils an event set, by their handles.
    deaf: Vec<usize>,
}

/// Serves until the other side of the socket or of `terminated` is heard of; then until the call that is under way comes back.
pub(super) fn run(library: &Path, socket: &UnixStream, terminated: &UnixStream, page: Page) -> io::Result<()> {
    let page = Arc::new(page);
    let calls = {
        let (library, page) = (library.to_owned(), Arc::clone(&page));
        let (requests, output, own) = (socket.try_clone()?, socket.try_clone()?, socket.try_clone()?);
        let work = move || {
            let served = serve(&library, requests, output, &page);
            // Wakes the first thread, and the parent knows that nothing more comes. A failure means that the parent has gone.
            let _ = own.shutdown(Shutdown::Both);
            served
        };
        let builder = thread::Builder::new().name("nvml-calls".into()).stack_size(STACK);
        builder.spawn(work)?
    };
    loop {
        let mut either = [
            PollFd::new(socket, PollFlags::RDHUP),
            PollFd::new(terminated, PollFlags::IN),
        ];
        match poll(&mut either, None) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
    }
    page.end();
    // One that waits for a request gets its end; one that is in a call may still write what it has read.
    let _ = socket.shutdown(Shutdown::Read);
    match calls.join() {
        Ok(served) => served,
        Err(_) => Err(io::Error::other("the thread that calls NVML has ended by itself")),
    }
}

/// Answers requests until there are no more or the library cannot be used. An error is one of the socket: the parent has gone.
pub(super) fn serve(
    library: &Path,
    requests: impl Read,
    output: impl Write + Send + 'static,
    page: &Page,
) -> io::Result<()> {
    let output = Arc::new(Mutex::new(Output::new(output)));
    let mut session = None;
    let mut requests = BufReader::with_capacity(4096, requests);
    let mut text = String::new();
    loop {
        text.clear();
        if requests.read_line(&mut text)? == 0 {
            return Ok(());
        }
        let Request::Pass { asleep, awake, watch } = serde_json::from_str(&text)?;
        if session.is_none() {
            match open(library, page) {
                Ok(opened) => session = Some(opened),
                Err(why) => return lock(&output).write(&why),
            }
        }
        let Some(session) = session.as_mut() else {
            return Ok(());
        };
        if let Err(why) = session.system(&output, page)? {
            return lock(&output).write(&why);
        }
        session.watch(watch, page);
        session.gpus(&asleep, &awake, &output, page)?;
        page.rest();
        lock(&output).write(&Line::Done)?;
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads and initialises, or says why not.
fn open(library: &Path, page: &Page) -> Result<Session, Line> {
    page.announce("nvmlInit_v2", None);
    let nvml = Nvml::builder()
        .lib_path(library.as_os_str())
        .init()
        .map_err(|error| match error {
            NvmlError::LibloadingError(error) => Line::LibraryMissing {
                detail: error.to_string(),
            },
            error => Line::InitFailed {
                code: code(&error),
                detail: error.to_string(),
            },
        })?;
    Ok(Session {
        // Never dropped: nvmlShutdown may hang or be missing, and the session lasts as long as the process.
        nvml: Box::leak(Box::new(nvml)),
        reader: Reader::default(),
        watch: None,
        deaf: Vec::new(),
    })
}

impl Session {
    /// Has an event set if events are wanted: a new one after one was spoilt.
    fn watch(&mut self, wanted: bool, page: &Page) {
        if let Some(spoilt) = self.watch.take_if(|watch| watch.spoilt_by().is_some()) {
            self.deaf.extend(spoilt.spoilt_by());
        }
        if wanted && self.watch.is_none() {
            self.watch = Watch::create(self.nvml, page);
        }
    }

    /// Versions and the number of GPUs; the inner error is the last line of a session that cannot be used any more.
    fn system(&mut self, output: &Mutex<Output>, page: &Page) -> io::Result<Result<(), Line>> {
        let nvml = self.nvml;
        page.announce("nvmlSystemGetDriverVersion", None);
        let driver = nvml.sys_driver_version().ok();
        page.announce("nvmlSystemGetNVMLVersion", None);
        let version = nvml.sys_nvml_version().ok();
        page.announce("nvmlSystemGetCudaDriverVersion_v2", None);
        let cuda = nvml.sys_cuda_driver_version().ok().map(cuda_version);
        page.announce("nvmlDeviceGetCount_v2", None);
        match nvml.device_count() {
            Ok(gpus) => {
                self.reader.expect(gpus);
                let nvml = version;
                lock(output).write(&Line::System {
                    driver,
                    nvml,
                    cuda,
                    gpus,
                })?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(Line::InitFailed {
                code: code(&error),
                detail: format!("nvmlDeviceGetCount_v2: {error}"),
            })),
        }
    }

    /// Each GPU, written as soon as it is read.
    fn gpus(
        &mut self,
        asleep: &[String],
        awake: &[String],
        output: &Arc<Mutex<Output>>,
        page: &Page,
    ) -> io::Result<()> {
        let Self {
            nvml,
            reader,
            watch,
            deaf,
        } = self;
        reader.read(nvml, asleep, awake, page, &mut |device, gpu| {
            if let (Some(watch), Some(device)) = (watch.as_mut(), device)
                && !deaf.contains(&raw::address(device))
            {
                watch.hear(device, gpu, page);
            }
            lock(output).write(&BorrowedLine::Gpu(gpu))
        })?;
        if let Some(watch) = watch {
            watch.start(output);
        }
        Ok(())
    }
}

/// `13.0` of 13000 (nvml.h, `NVML_CUDA_DRIVER_VERSION_MAJOR` and `_MINOR`).
fn cuda_version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_library_that_is_not_there_is_told_apart_from_one_that_fails() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let request: &[u8] = br#"{"request":"pass","asleep":[],"awake":[],"watch":false}"#;
        let page = Page::create().unwrap();
        serve(Path::new("/nowhere/libnvidia-ml.so.1"), request, ours, &page).unwrap();
        let mut text = String::new();
        theirs.read_to_string(&mut text).unwrap();
        let last: Line = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert!(matches!(last, Line::LibraryMissing { .. }), "{text}");
        assert_eq!(page.under_way().unwrap().call, "nvmlInit_v2");
    }

    #[test]
    fn a_cuda_version_reads_as_nvidia_writes_it() {
        assert_eq!(cuda_version(13000), "13.0");
        assert_eq!(cuda_version(12080), "12.8");
    }
}
