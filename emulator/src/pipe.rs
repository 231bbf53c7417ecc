//! Reads the function's output into the log.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::log::{Log, Source};

/// Maximum line, in bytes: the platform's maximum log message
/// (<https://cloud.tencent.com/document/product/583/37363>). A longer line is split.
const MAX_LINE: usize = 8 * 1024;

/// Maximum wait for EOF after the function has ended. A process outside the function's process
/// group may keep the pipe open.
const EOF_TIMEOUT: Duration = Duration::from_secs(1);

/// The read end of the function's standard output or standard error. A task reads it.
pub(crate) struct Pipe {
    /// The same pipe, to ask how many bytes it holds.
    probe: OwnedFd,
    /// Number of bytes read so far.
    read: watch::Receiver<usize>,
    reader: JoinHandle<()>,
}

impl Pipe {
    /// Starts the reader.
    pub(crate) fn new(
        pipe: impl AsyncRead + AsFd + Unpin + Send + 'static,
        source: Source,
        log: Arc<Log>,
    ) -> io::Result<Self> {
        let probe = pipe.as_fd().try_clone_to_owned()?;
        let (sender, read) = watch::channel(0);
        let reader = tokio::spawn(read_lines(pipe, source, log, sender));
        Ok(Self { probe, read, reader })
    }

    /// Waits until the log has everything that the pipe holds now.
    ///
    /// The reader runs on this thread and counts the bytes of a read before it yields. So each
    /// byte is either in the pipe or counted.
    pub(crate) async fn drain(&mut self) {
        let in_pipe = rustix::io::ioctl_fionread(&self.probe).unwrap_or(0);
        let target = *self.read.borrow() + usize::try_from(in_pipe).unwrap_or(0);
        // An error means that the reader has ended, and so has read everything.
        let _ = self.read.wait_for(|read| *read >= target).await;
    }

    /// Waits for EOF, for [`EOF_TIMEOUT`] at most. The log then has the last line as well.
    pub(crate) async fn wait_for_eof(&mut self) {
        let _ = timeout(EOF_TIMEOUT, &mut self.reader).await;
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read_lines(
    mut pipe: impl AsyncRead + Unpin,
    source: Source,
    log: Arc<Log>,
    read: watch::Sender<usize>,
) {
    let mut buffer = vec![0; MAX_LINE];
    let mut filled = 0;
    // A read error counts as EOF.
    while let Ok(bytes @ 1..) = pipe.read(&mut buffer[filled..]).await {
        filled += bytes;
        let mut start = 0;
        while let Some(length) = buffer[start..filled].iter().position(|byte| *byte == b'\n') {
            log.push(source, text(&buffer[start..start + length]));
            start += length + 1;
        }
        if start == 0 && filled == MAX_LINE {
            log.push(source, text(&buffer));
            start = filled;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        read.send_modify(|read| *read += bytes);
    }
    if filled > 0 {
        log.push(source, text(&buffer[..filled]));
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}
