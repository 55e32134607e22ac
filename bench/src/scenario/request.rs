//! Request/reply: many outstanding over several connections, and one at a time.
//!
//! Requesters work as client libraries do: one wildcard subscription per connection
//! (`_INBOX.<22 characters>.*`) and a reply subject of its own for each request. One connection
//! answers. The last token counts up per connection and is repeated in the payload, so every reply
//! is matched with its request, in order, and the total is exact.

use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::epoll;

use super::{Settings, per_million};
use crate::conn::{Closer, Conn, Target, not_now};
use crate::failure::{Context, Failure, Result};
use crate::flow::STALL;
use crate::histogram::Histogram;
use crate::load::wait;
use crate::procfs::own_cpu_seconds;
use crate::server::Server;
use crate::session::eight_digits;

const CONNECTIONS: u32 = 8;
const OUTSTANDING: u64 = 8;
const MANY_REQUESTS: u64 = 400_000;
const SINGLE_REQUESTS: u64 = 30_000;
const PAYLOAD: usize = 128;
/// `_INBOX.`, 22 characters, a dot and eight digits.
const INBOX_LEN: usize = 7 + 22 + 1 + 8;
const REQUEST_AT_SERVICE: &[u8] = b"MSG svc 1 ";
/// Bytes behind the inbox in every frame: size, payload and line ends.
const BODY_LEN: usize = " 128\r\n".len() + PAYLOAD + 2;
const READ_BYTES: usize = 64 * 1024;

/// CPU seconds per million requests, thousands of requests per second, generator CPU.
pub(super) fn run_many(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let requests = settings.count(MANY_REQUESTS);
    with_service(server, || {
        let mut requesters = connect(server.target())?;
        drive(&mut requesters, requests / 10)?;
        let (cpu, own, start) = (server.cpu()?, own_cpu_seconds(), Instant::now());
        drive(&mut requesters, requests)?;
        let wall = start.elapsed().as_secs_f64();
        let (cpu, own) = (server.cpu()?.since(&cpu), own_cpu_seconds() - own);
        confirm(&mut requesters)?;
        let rate = requests as f64 / wall / 1e3;
        Ok(vec![
            per_million(cpu, requests),
            rate,
            per_million(own, requests),
        ])
    })
}

/// Connects as `target` says, does `requests` and proves that nothing else was on its way.
pub(super) fn drive_as(target: &Target, requests: u64) -> Result<()> {
    let mut requesters = connect(target)?;
    drive(&mut requesters, requests)?;
    confirm(&mut requesters)
}

fn connect(target: &Target) -> Result<Vec<Requester>> {
    (0..CONNECTIONS)
        .map(|number| Requester::connect(target, number))
        .collect()
}

fn confirm(requesters: &mut [Requester]) -> Result<()> {
    for requester in requesters {
        requester.conn.nonblocking(false)?;
        requester.conn.confirm()?;
    }
    Ok(())
}

/// p50 and p99.9 of the time for one request in µs.
pub(super) fn run_one(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let requests = settings.count(SINGLE_REQUESTS);
    with_service(server, || {
        let mut requester = Requester::connect(server.target(), 0)?;
        requester.conn.nonblocking(false)?;
        let mut histogram = Histogram::new();
        for number in 0..requests + requests / 10 {
            let start = Instant::now();
            requester.ask(1)?;
            while requester.answered < requester.asked {
                requester.take_replies()?;
            }
            if number >= requests / 10 {
                histogram.record(start.elapsed().as_nanos() as u64);
            }
        }
        requester.conn.confirm()?;
        let micros = |percent| match histogram.percentile(percent) {
            Some(nanos) => Ok(nanos as f64 / 1e3),
            None => Err(Failure::new("nothing was measured")),
        };
        Ok(vec![micros(50.0)?, micros(99.9)?])
    })
}

/// Runs `work` while another thread answers requests to `svc`.
pub(super) fn with_service(
    server: &Server,
    work: impl FnOnce() -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let mut service = Conn::open(server.target())?;
    service.write_all(b"SUB svc 1\r\n").context("subscribing")?;
    service.confirm()?;
    let stop: Closer = service.closer()?;
    std::thread::scope(|scope| {
        let answering = scope.spawn(move || answer(&mut service));
        let result = work();
        drop(stop);
        let answered = answering
            .join()
            .unwrap_or_else(|_| Err(Failure::new("a panic")));
        // If the service failed, the requesters only noticed that nothing came.
        answered.and(result)
    })
}

/// Answers every request with its own payload until the connection is closed.
fn answer(conn: &mut Conn) -> Result<Vec<f64>> {
    let mut input = Input::new();
    let mut replies = Vec::with_capacity(READ_BYTES * 2);
    loop {
        if input.fill(conn)? == Filled::Closed {
            return Ok(Vec::new());
        }
        replies.clear();
        while let Some(frame) = input.request()? {
            let (reply, body) = parts_of_request(frame).ok_or_else(|| unexpected(frame))?;
            for part in [b"PUB ", reply, b" 128\r\n", body] {
                replies.extend_from_slice(part);
            }
        }
        replies.extend(b"PONG\r\n".repeat(input.take_pings()));
        if !replies.is_empty() {
            conn.write_all(&replies).context("replying")?;
        }
    }
}

/// Reply subject and body (with its line end) of a request as the service gets it. One from another
/// account says in a header which.
fn parts_of_request(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = frame.iter().position(|byte| *byte == b'\n')?;
    let line = frame.get(..end)?.strip_suffix(b"\r")?;
    let (rest, numbers) = match line.strip_prefix(b"H") {
        Some(rest) => (rest, 2),
        None => (line, 1),
    };
    let rest = rest.strip_prefix(REQUEST_AT_SERVICE)?;
    let reply = rest.rsplitn(numbers + 1, |byte| *byte == b' ').last()?;
    let body = frame.get(end + 1..)?;
    let body = body.get(body.len().checked_sub(PAYLOAD + 2)?..)?;
    reply.starts_with(b"_").then_some((reply, body))
}

/// Sends `requests` over all connections, never more than `OUTSTANDING` unanswered on each.
fn drive(requesters: &mut [Requester], requests: u64) -> Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
    let mut unsent = requests;
    for (index, requester) in requesters.iter_mut().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        let flags = epoll::EventFlags::IN;
        epoll::add(&epoll, requester.conn.as_fd(), data, flags).context("epoll")?;
        let first = OUTSTANDING.min(unsent);
        requester.ask(first)?;
        unsent -= first;
    }
    let mut unanswered = requests;
    let mut events = Vec::with_capacity(requesters.len().max(1));
    let mut last_progress = Instant::now();
    while unanswered > 0 {
        events.clear();
        wait(&epoll, &mut events)?;
        for event in &events {
            let Some(requester) = requesters.get_mut(event.data.u64() as usize) else {
                continue;
            };
            let answered = requester.take_replies()?;
            unanswered -= answered.min(unanswered);
            let more = answered.min(unsent);
            requester.ask(more)?;
            unsent -= more;
            last_progress = Instant::now();
        }
        if last_progress.elapsed() > STALL {
            return Err(Failure::new(format!(
                "{unanswered} requests were not answered"
            )));
        }
    }
    Ok(())
}

/// One requesting connection.
struct Requester {
    conn: Conn,
    /// `PUB svc <inbox> 128\r\n<payload>\r\n`, of which only the digits change.
    frame: Vec<u8>,
    /// `MSG <inbox>` up to the digits.
    reply_head: Vec<u8>,
    input: Input,
    output: Vec<u8>,
    asked: u64,
    answered: u64,
}

impl Requester {
    fn connect(target: &Target, number: u32) -> Result<Self> {
        let mut conn = Conn::open(target)?;
        let inbox = format!("_INBOX.BENCHMARKREQUESTER{number:04}.");
        conn.write_all(format!("SUB {inbox}* 1\r\n").as_bytes())
            .context("subscribing")?;
        conn.confirm()?;
        conn.nonblocking(true)?;
        let mut frame = format!("PUB svc {inbox}00000000 {PAYLOAD}\r\n").into_bytes();
        frame.resize(frame.len() + PAYLOAD, b'x');
        frame.extend(b"\r\n");
        Ok(Self {
            conn,
            frame,
            reply_head: format!("MSG {inbox}").into_bytes(),
            input: Input::new(),
            output: Vec::new(),
            asked: 0,
            answered: 0,
        })
    }

    /// Sends `count` requests in one write.
    fn ask(&mut self, count: u64) -> Result<()> {
        self.output.clear();
        let digits_at = "PUB svc ".len() + INBOX_LEN - 8;
        let copy_at = self.frame.len() - 2 - PAYLOAD;
        for _ in 0..count {
            let digits = eight_digits(self.asked);
            self.frame[digits_at..digits_at + 8].copy_from_slice(&digits);
            self.frame[copy_at..copy_at + 8].copy_from_slice(&digits);
            self.output.extend_from_slice(&self.frame);
            self.asked += 1;
        }
        if count > 0 {
            self.conn.write_all(&self.output).context("requesting")?;
        }
        Ok(())
    }

    /// Reads once and verifies the replies; returns their number.
    fn take_replies(&mut self) -> Result<u64> {
        if self.input.fill(&mut self.conn)? == Filled::Closed {
            return Err(Failure::new("the server closed a requester's connection"));
        }
        let head = self.reply_head.len();
        let stride = head + 8 + " 1".len() + BODY_LEN;
        let before = self.answered;
        while let Some(frame) = self.input.message(stride)? {
            let digits = eight_digits(self.answered);
            let right = frame.starts_with(&self.reply_head)
                && frame[head..].starts_with(&digits)
                && frame[head + 8..].starts_with(b" 1 128\r\n")
                && frame[head + 16..].starts_with(&digits)
                && frame.ends_with(b"x\r\n")
                && self.answered < self.asked;
            if !right {
                return Err(unexpected(frame));
            }
            self.answered += 1;
        }
        for _ in 0..self.input.take_pings() {
            self.conn.write_all(b"PONG\r\n").context("answering PING")?;
        }
        Ok(self.answered - before)
    }
}

fn unexpected(frame: &[u8]) -> Failure {
    let shown = String::from_utf8_lossy(&frame[..frame.len().min(120)]);
    Failure::new(format!("an unexpected message: {shown:?}"))
}

/// Read buffer of one connection that carries messages of one length, and PINGs.
struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    pings: usize,
}

#[derive(PartialEq, Eq)]
enum Filled {
    Some,
    Closed,
}

impl Input {
    fn new() -> Self {
        Self {
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            pings: 0,
        }
    }

    /// Reads once; nothing there is no error.
    fn fill(&mut self, conn: &mut Conn) -> Result<Filled> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        match conn.read(&mut self.buffer[self.end..]) {
            Ok(0) => return Ok(Filled::Closed),
            Ok(read) => self.end += read,
            Err(error) if not_now(&error) => {}
            Err(error) => return Err(error).context("reading"),
        }
        Ok(Filled::Some)
    }

    /// The next whole message of `stride` bytes, PINGs before it being counted.
    fn message(&mut self, stride: usize) -> Result<Option<&[u8]>> {
        while self.buffer[self.start..self.end].starts_with(b"PING\r\n") {
            self.pings += 1;
            self.start += 6;
        }
        let waiting = &self.buffer[self.start..self.end];
        if waiting
            .first()
            .is_some_and(|byte| !matches!(byte, b'H' | b'M' | b'P'))
        {
            return Err(unexpected(waiting));
        }
        if waiting.len() < stride {
            return Ok(None);
        }
        self.start += stride;
        Ok(Some(&self.buffer[self.start - stride..self.start]))
    }

    /// The next whole message as a service gets it: its reply subject is an inbox, or one that the
    /// server made because the request comes from another account, of whatever length.
    fn request(&mut self) -> Result<Option<&[u8]>> {
        let waiting = &self.buffer[self.start..self.end];
        let from = waiting.iter().position(|byte| matches!(byte, b'M' | b'H'));
        let waiting = &waiting[from.unwrap_or(waiting.len())..];
        let Some(end) = waiting.iter().position(|byte| *byte == b'\n') else {
            return self.message(usize::MAX);
        };
        let size = waiting[..end].rsplit(|byte| *byte == b' ').next();
        let size = size.and_then(|size| str::from_utf8(size).ok()?.trim_end().parse().ok());
        let size: usize = size.ok_or_else(|| unexpected(waiting))?;
        self.message(end + 1 + size + 2)
    }

    fn take_pings(&mut self) -> usize {
        std::mem::take(&mut self.pings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_between_messages_are_taken_out() {
        let mut input = Input::new();
        let bytes = b"MSG1PING\r\nPING\r\nMSG2PIN";
        input.buffer[..bytes.len()].copy_from_slice(bytes);
        input.end = bytes.len();
        assert_eq!(input.message(4), Ok(Some(b"MSG1".as_slice())));
        assert_eq!(input.message(4), Ok(Some(b"MSG2".as_slice())));
        assert_eq!(input.message(4), Ok(None));
        assert_eq!(input.take_pings(), 2);
        let mut request = Input::new();
        let bytes = [
            b"PING\r\nMSG svc 1 _R_.x 128\r\n",
            &[b'x'; PAYLOAD][..],
            b"\r\nMSG ",
        ]
        .concat();
        request.buffer[..bytes.len()].copy_from_slice(&bytes);
        request.end = bytes.len();
        let first = request.request().expect("a request").map(<[u8]>::len);
        assert_eq!(first, Some(bytes.len() - 6 - 4));
        assert_eq!(request.request(), Ok(None));
        let frame = [
            b"HMSG svc 1 _R_.x 20 148\r\nNATS/1.0\r\nA: b\r\n\r\n",
            &[b'x'; 128][..],
            b"\r\n",
        ];
        let frame = frame.concat();
        let (reply, body) = parts_of_request(&frame).expect("a request");
        assert_eq!((reply, body.len()), (&b"_R_.x"[..], 130));
        assert_eq!(parts_of_request(b"MSG svc 1 128\r\nx\r\n"), None);
        let mut refused = Input::new();
        refused.buffer[..4].copy_from_slice(b"-ERR");
        refused.end = 4;
        assert!(refused.message(4).is_err());
    }
}
