//! The connection below a [`super::LocalClient`]: one task reads and writes the pipe.
//!
//! Calls append frames to `outgoing` and wake the task; the task hands what arrives to those who
//! wait for it. The lock is held for a few instructions, never across a wait. Invariant: `pongs`
//! are answered in the order in which the PINGs were appended.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cognate_subject::validate::is_valid_literal;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, mpsc, oneshot};

use super::frame::{Frame, decode};
use super::{LocalError, LocalLogin, LocalMessage, OUTGOING_BYTES, check};
use crate::shared::Shared;

/// The latest `-ERR` texts that are kept.
const ERRORS: usize = 16;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

struct Receiver {
    messages: mpsc::Sender<LocalMessage>,
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    outgoing: Vec<u8>,
    receivers: HashMap<u64, Receiver>,
    pongs: VecDeque<oneshot::Sender<()>>,
    errors: VecDeque<String>,
    next_sid: u64,
    /// No handle is left: the task ends once everything is written.
    leaving: bool,
    /// Why the connection ended.
    ended: Option<LocalError>,
}

#[derive(Default)]
struct Link {
    state: Mutex<State>,
    /// The task has something to write.
    work: Notify,
    /// Publishers may have room.
    room: Notify,
}

/// What the clones of a client and its subscriptions share; the connection ends with the last.
pub(super) struct Handle {
    link: Arc<Link>,
    shared: Arc<Shared>,
    inboxes: String,
    next_inbox: AtomicU64,
}

impl Handle {
    /// Waits for the server's INFO, answers it, and starts the task of the connection.
    pub(super) async fn open(
        shared: Arc<Shared>,
        mut stream: DuplexStream,
        login: LocalLogin,
    ) -> Result<Self, LocalError> {
        let received = read_info(&mut stream).await?;
        let link = Arc::new(Link::default());
        link.state.lock().outgoing = login.connect_line(&received).into_bytes();
        tokio::spawn(run(Arc::clone(&link), stream, received));
        let inboxes = format!("_INBOX.{:016x}", shared.fresh_seed());
        Ok(Handle {
            link,
            shared,
            inboxes,
            next_inbox: AtomicU64::new(0),
        })
    }

    /// A subject nobody else uses.
    pub(super) fn inbox(&self) -> String {
        format!("{}.{}", self.inboxes, self.next_inbox.fetch_add(1, Relaxed))
    }

    /// A new subscription id, whose messages go to `messages`.
    pub(super) fn register(
        &self,
        messages: mpsc::Sender<LocalMessage>,
        dropped: &Arc<AtomicU64>,
    ) -> u64 {
        let mut state = self.link.state.lock();
        state.next_sid += 1;
        let sid = state.next_sid;
        // After the end nothing arrives, and the subscription is to say so.
        if state.ended.is_none() {
            let dropped = Arc::clone(dropped);
            state.receivers.insert(sid, Receiver { messages, dropped });
        }
        sid
    }

    /// Ends a subscription.
    pub(super) fn unregister(&self, sid: u64) {
        let mut state = self.link.state.lock();
        if state.receivers.remove(&sid).is_some() {
            // Not held up by the bound of `outgoing`, which it exceeds by a line at most for each
            // subscription there was.
            state
                .outgoing
                .extend_from_slice(format!("UNSUB {sid}\r\n").as_bytes());
            self.link.work.notify_one();
        }
    }

    /// Sends a message, waiting for room.
    pub(super) async fn publish(
        &self,
        subject: &str,
        reply: Option<&str>,
        headers: Option<&[u8]>,
        payload: &[u8],
    ) -> Result<(), LocalError> {
        check(is_valid_literal, subject)?;
        if let Some(reply) = reply {
            check(is_valid_literal, reply)?;
        }
        let header_len = headers.map_or(0, <[u8]>::len);
        let size = header_len + payload.len();
        let max = self.shared.options().max_payload as usize;
        if size > max {
            return Err(LocalError::TooLarge { size, max });
        }
        let reply = reply.map(|reply| format!(" {reply}")).unwrap_or_default();
        let line = match headers {
            None => format!("PUB {subject}{reply} {size}\r\n"),
            Some(_) => format!("HPUB {subject}{reply} {header_len} {size}\r\n"),
        };
        let parts = [
            line.as_bytes(),
            headers.unwrap_or_default(),
            payload,
            b"\r\n",
        ];
        self.append(&parts).await.map(drop)
    }

    /// Sends protocol text, waiting for room.
    pub(super) async fn send(&self, text: &[u8]) -> Result<(), LocalError> {
        self.append(&[text]).await.map(drop)
    }

    /// Returns when the server has answered everything before.
    pub(super) async fn flush(&self) -> Result<(), LocalError> {
        let pong = {
            let mut state = self.append(&[b"PING\r\n"]).await?;
            let (sender, pong) = oneshot::channel();
            state.pongs.push_back(sender);
            pong
        };
        pong.await.map_err(|_| self.ending())
    }

    /// The latest `-ERR` texts.
    pub(super) fn take_errors(&self) -> Vec<String> {
        self.link.state.lock().errors.drain(..).collect()
    }

    /// Takes the oldest of the kept `-ERR` texts that is one of `texts`.
    pub(super) fn take_error(&self, texts: &[&str]) -> Option<String> {
        let mut state = self.link.state.lock();
        let found = state
            .errors
            .iter()
            .position(|error| texts.contains(&error.as_str()))?;
        state.errors.remove(found)
    }

    /// Why the connection ended.
    pub(super) fn ending(&self) -> LocalError {
        let ended = self.link.state.lock().ended.clone();
        ended.unwrap_or(LocalError::Closed(String::new()))
    }

    /// Appends a frame once there is room; the lock is returned so that what belongs to the frame
    /// is noted with it.
    async fn append(
        &self,
        parts: &[&[u8]],
    ) -> Result<parking_lot::MutexGuard<'_, State>, LocalError> {
        loop {
            let room = self.link.room.notified();
            {
                let mut state = self.link.state.lock();
                if let Some(error) = &state.ended {
                    return Err(error.clone());
                }
                if state.outgoing.len() < OUTGOING_BYTES {
                    parts
                        .iter()
                        .for_each(|part| state.outgoing.extend_from_slice(part));
                    self.link.work.notify_one();
                    return Ok(state);
                }
            }
            room.await;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.link.state.lock().leaving = true;
        self.link.work.notify_one();
    }
}

impl Link {
    /// Hands a frame to whoever waits for it.
    fn handle_frame(&self, frame: Frame) {
        let mut state = self.state.lock();
        match frame {
            Frame::Message { sid, message } => {
                let Some(receiver) = state.receivers.get(&sid) else {
                    return;
                };
                if receiver.messages.try_send(message).is_err() {
                    receiver.dropped.fetch_add(1, Relaxed);
                }
            }
            Frame::Ping => {
                state.outgoing.extend_from_slice(b"PONG\r\n");
                self.work.notify_one();
            }
            Frame::Pong => {
                // Whoever waited may have given up.
                let _ = state.pongs.pop_front().map(|pong| pong.send(()));
            }
            Frame::Error(text) => {
                if state.errors.len() == ERRORS {
                    state.errors.pop_front();
                }
                state.errors.push_back(text);
            }
            Frame::Other => {}
        }
    }

    fn end(&self) {
        let mut state = self.state.lock();
        let text = state.errors.back().cloned().unwrap_or_default();
        state.ended = Some(LocalError::Closed(text));
        state.receivers.clear();
        state.pongs.clear();
        state.outgoing = Vec::new();
        drop(state);
        self.room.notify_waiters();
    }
}

/// What arrives up to the end of the first line, or beyond.
async fn read_info(stream: &mut DuplexStream) -> Result<Vec<u8>, LocalError> {
    let mut bytes = Vec::with_capacity(1024);
    // As long as one read at most: an INFO is far shorter.
    while !bytes.contains(&b'\n') && bytes.len() < READ_BYTES {
        let Ok(1..) = stream.read_buf(&mut bytes).await else {
            return Err(LocalError::Closed(String::new()));
        };
    }
    Ok(bytes)
}

/// The connection's task; `received` is what has arrived already.
async fn run(link: Arc<Link>, stream: DuplexStream, received: Vec<u8>) {
    let (reader, writer) = tokio::io::split(stream);
    {
        let reading = read_all(&link, reader, received);
        tokio::pin!(reading);
        tokio::select! {
            // A pipe that takes no more may still hold the server's parting words; and a server
            // that could not write would not read what was published last.
            _ = write_all(&link, writer) => reading.await,
            () = &mut reading => {}
        }
    }
    link.end();
}

/// Writes until the last handle is gone and everything has left.
async fn write_all(link: &Link, mut writer: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut batch = Vec::new();
    loop {
        let leaving = {
            let mut state = link.state.lock();
            std::mem::swap(&mut batch, &mut state.outgoing);
            state.leaving
        };
        if batch.is_empty() {
            if leaving {
                return writer.shutdown().await;
            }
            link.work.notified().await;
            continue;
        }
        link.room.notify_waiters();
        writer.write_all(&batch).await?;
        batch.clear();
    }
}

/// Reads until the server closes.
async fn read_all(link: &Link, mut reader: impl AsyncRead + Unpin, mut bytes: Vec<u8>) {
    loop {
        let mut used = 0;
        loop {
            match decode(&bytes[used..]) {
                Ok(None) => break,
                Ok(Some((frame, len))) => {
                    used += len;
                    link.handle_frame(frame);
                }
                Err(_) => return,
            }
        }
        bytes.drain(..used);
        bytes.reserve(READ_BYTES);
        // A pipe does not fail; what is no frame ends the connection as a close does.
        let Ok(1..) = reader.read_buf(&mut bytes).await else {
            return;
        };
    }
}
