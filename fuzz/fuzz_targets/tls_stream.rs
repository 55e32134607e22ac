//! The server's side of a TLS connection, driven by a script: honest bytes in any cut, and hostile ones.
//!
//! `raw` is a peer that never speaks TLS: whatever it sends in whatever pieces, the handshake is not
//! completed, ends when the peer does, and does not swallow bytes without end. `script` has a real
//! client; each line of the script is a step (see [`Step`]): something is written, delivered in part,
//! damaged, forged, cut off, read. Checks: never panics; an operation that waits has asked the socket
//! to be woken; what either side reads is a beginning of what the other wrote, damaged or not; once a
//! connection has failed or ended it stays so; and where nobody meddled, everything arrives in the end,
//! and the end with it.
#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use cognate_fuzz::tls::{Parties, Socket};
use cognate_fuzz::{choose, settings};
use cognate_tls::{HandshakeError, PeerDetail, ServerTls, TlsStream};
use libfuzzer_sys::fuzz_target;
use rustls::ClientConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

/// What a handshake that is not completed may swallow: undiscarded bytes as far as they are kept, the
/// read that exceeds it, and records that are harmless and discarded.
const MAX_SWALLOWED: usize = 512 * 1024;

static PARTIES: LazyLock<Parties> = LazyLock::new(Parties::new);

/// Has the clock that the handshake's time limit asks for.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
});

type Accepted = Result<(TlsStream<Socket>, PeerDetail), HandshakeError>;

fuzz_target!(|data: &[u8]| {
    let _entered = RUNTIME.enter();
    let Some(([which], rest)) = settings(data) else {
        return;
    };
    match choose(*which, [true, false]) {
        true => script(rest),
        false => raw(rest),
    }
});

/// Bytes that no client of TLS made, in pieces of any size, repeated until it must be over.
fn raw(data: &[u8]) {
    let Some(([piece, repeat], bytes)) = settings(data) else {
        return;
    };
    let (socket, mut server) = Server::listening(&PARTIES.open);
    let repeat = match choose(*repeat, [false, true]) {
        true if !bytes.is_empty() => MAX_SWALLOWED / bytes.len() + 1,
        _ => 1,
    };
    // Large pieces where there is much, or each input would take long.
    let piece = (usize::from(*piece) + 1).max(bytes.len() * repeat / 256);
    let all = bytes.repeat(repeat);
    for piece in all.chunks(piece) {
        socket.0.borrow_mut().arrived.extend(piece);
        socket.0.borrow_mut().room = usize::MAX;
        server.go_on(&socket);
    }
    let over = matches!(server, Server::Refused);
    assert!(over || all.len() < MAX_SWALLOWED, "swallows without end");
    socket.0.borrow_mut().ended = true;
    server.go_on(&socket);
    assert!(matches!(server, Server::Refused), "the peer is gone");
}

/// The server's side, by how far it is.
enum Server {
    Handshake(Pin<Box<dyn Future<Output = Accepted>>>),
    Open(Box<TlsStream<Socket>>),
    Refused,
}

impl Server {
    fn listening(tls: &'static ServerTls) -> (Socket, Server) {
        let socket = Socket::default();
        let handshake = Box::pin(tls.accept(socket.clone()));
        (socket, Server::Handshake(handshake))
    }

    /// Goes on with the handshake as far as it can.
    fn go_on(&mut self, socket: &Socket) {
        let Server::Handshake(handshake) = self else {
            return;
        };
        match waiting_for_something(socket, |cx| handshake.as_mut().poll(cx)) {
            Poll::Pending => {}
            Poll::Ready(Ok((stream, _))) => *self = Server::Open(Box::new(stream)),
            Poll::Ready(Err(error)) => {
                assert_ne!(error, HandshakeError::Timeout);
                *self = Server::Refused;
            }
        }
    }
}

/// Polls. Who is told to wait must have been told so by the socket, or nobody would wake it.
fn waiting_for_something<T>(
    socket: &Socket,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    socket.0.borrow_mut().awaited = false;
    let polled = poll(&mut Context::from_waker(Waker::noop()));
    if polled.is_pending() {
        assert!(socket.0.borrow().awaited, "nobody would wake it");
    }
    polled
}

/// One step of a script: the first of three bytes, its low bits first, and two that make a number.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client writes that many bytes.
    ClientWrites,
    /// That many bytes of the client's reach the server, or all.
    Deliver,
    DeliverAll,
    ServerReads,
    ServerWrites,
    /// The server's socket takes that many bytes more, or any number.
    Room,
    AnyRoom,
    /// What the server sent reaches the client.
    Answer,
    ChangeKeys,
    ClientCloses,
    ServerCloses,
    /// A bit of what is on its way to the server is flipped.
    Flip,
    /// That many bytes on their way get lost.
    Lose,
    /// The next bytes of the input itself are put behind what is on its way.
    Forge,
    /// A record of a type from the input, with that length and much of one byte.
    ForgeRecord,
    /// Nothing more arrives.
    Cut,
}

const STEPS: [Step; 16] = [
    Step::ClientWrites,
    Step::Deliver,
    Step::DeliverAll,
    Step::ServerReads,
    Step::ServerWrites,
    Step::Room,
    Step::AnyRoom,
    Step::Answer,
    Step::ChangeKeys,
    Step::ClientCloses,
    Step::ServerCloses,
    Step::Flip,
    Step::Lose,
    Step::Forge,
    Step::ForgeRecord,
    Step::Cut,
];

fn script(data: &[u8]) {
    let Some(([mutual, version, first], mut rest)) = settings(data) else {
        return;
    };
    let tls = choose(*mutual, [&PARTIES.open, &PARTIES.mutual]);
    let config = choose(*version, [&PARTIES.newer, &PARTIES.older]);
    let (socket, server) = Server::listening(tls);
    let name = "localhost".try_into().expect("a name");
    let client = ClientConnection::new(Arc::clone(config), name).expect("it is well configured");
    let mut scene = Scene {
        socket,
        server,
        client,
        on_its_way: Vec::new(),
        written: [0, 0],
        read: [0, 0],
        meddled: false,
        client_failed: false,
        goodbyes: [false, false],
        ended: false,
        failed: false,
    };
    if choose(*first, [true, false]) {
        scene.settle();
        assert!(matches!(scene.server, Server::Open(_)), "nobody meddled");
    }
    while let Some(([step, high, low], more)) = settings(rest) {
        let number = usize::from(u16::from_be_bytes([*high, *low]));
        rest = more;
        rest = scene.step(choose(*step, STEPS), number, rest);
        scene.server.go_on(&scene.socket);
    }
    scene.end();
}

/// Both sides, and what each has done.
struct Scene {
    socket: Socket,
    server: Server,
    client: ClientConnection,
    /// The client's bytes that have not reached the server.
    on_its_way: Vec<u8>,
    /// How many bytes the client has written, and the server.
    written: [usize; 2],
    /// How many bytes of the client's were read by the server, and the other way round.
    read: [usize; 2],
    /// The server was shown what the client has not sent, or not all of it.
    meddled: bool,
    client_failed: bool,
    /// Who said that nothing more comes: the client, the server.
    goodbyes: [bool; 2],
    /// The server has read the end.
    ended: bool,
    /// The server's reading has failed.
    failed: bool,
}

impl Scene {
    /// Does a step; returns what is left of the script.
    fn step<'a>(&mut self, step: Step, number: usize, script: &'a [u8]) -> &'a [u8] {
        match step {
            Step::ClientWrites => self.client_writes(number),
            Step::Deliver => self.deliver(number),
            Step::DeliverAll => self.deliver(usize::MAX),
            Step::ServerReads => _ = self.server_reads(number),
            Step::ServerWrites => self.server_writes(number),
            Step::Room => self.socket.0.borrow_mut().room = number,
            Step::AnyRoom => self.socket.0.borrow_mut().room = usize::MAX,
            Step::Answer => self.answer(),
            Step::ChangeKeys => _ = self.client.refresh_traffic_keys(),
            Step::ClientCloses => {
                // A client that leaves in the midst of a handshake is refused.
                self.meddled |= self.client.is_handshaking();
                self.client.send_close_notify();
                self.goodbyes[0] = true;
            }
            Step::ServerCloses => _ = self.server_closes(),
            Step::Flip => self.flip(number),
            Step::Lose => {
                let lost = number.min(self.on_its_way.len());
                self.meddled |= lost > 0;
                self.on_its_way.drain(..lost);
            }
            Step::Forge => {
                let (forged, rest) = script.split_at(number.min(script.len()));
                self.meddle(forged);
                return rest;
            }
            Step::ForgeRecord => {
                if let Some(([kind, fill], rest)) = settings(script) {
                    let length = u16::try_from(number).expect("of two bytes").to_be_bytes();
                    self.meddle(&[*kind, 3, 3, length[0], length[1]]);
                    self.meddle(&vec![*fill; number]);
                    return rest;
                }
            }
            Step::Cut => {
                self.meddled = true;
                self.socket.0.borrow_mut().ended = true;
            }
        }
        script
    }

    fn client_writes(&mut self, count: usize) {
        // What was said before the handshake is done is kept by the client, within a bound.
        if !self.goodbyes[0] && !self.client_failed && !self.client.is_handshaking() {
            let bytes = numbered(self.written[0], count);
            let taken = self.client.writer().write(&bytes).expect("it takes some");
            self.written[0] += taken;
        }
        self.client_sends();
    }

    fn client_sends(&mut self) {
        while self.client.wants_write() {
            let sent = self.client.write_tls(&mut self.on_its_way);
            sent.expect("a vector takes everything");
        }
    }

    fn deliver(&mut self, count: usize) {
        self.client_sends();
        let count = count.min(self.on_its_way.len());
        let delivered = self.on_its_way.drain(..count);
        let mut wires = self.socket.0.borrow_mut();
        if !wires.ended {
            wires.arrived.extend(delivered);
        }
    }

    fn flip(&mut self, at: usize) {
        self.client_sends();
        if let Some(byte) = self.on_its_way.get_mut(at / 8) {
            *byte ^= 1 << (at % 8);
            self.meddled = true;
        }
    }

    fn meddle(&mut self, forged: &[u8]) {
        self.client_sends();
        self.meddled |= !forged.is_empty();
        self.on_its_way.extend_from_slice(forged);
    }

    /// Reads into that much room; `None` if there was nothing to read, or no stream.
    fn server_reads(&mut self, room: usize) -> Option<usize> {
        let Server::Open(stream) = &mut self.server else {
            return None;
        };
        let mut buffer = vec![0; room];
        let mut out = ReadBuf::new(&mut buffer);
        let polled = waiting_for_something(&self.socket, |cx| {
            Pin::new(&mut **stream).poll_read(cx, &mut out)
        });
        let count = out.filled().len();
        let expected = numbered(self.read[0], count);
        assert!(out.filled() == expected, "the client's own bytes");
        self.read[0] += count;
        assert!(self.read[0] <= self.written[0]);
        assert!(count == 0 || !self.ended && !self.failed);
        match polled {
            Poll::Pending => {
                assert!(!self.ended && !self.failed && count == 0);
                None
            }
            Poll::Ready(Ok(())) => {
                assert!(!self.failed || room == 0 || self.goodbyes[1]);
                let end = count == 0 && room > 0;
                assert!(!end || self.goodbyes[0] || self.goodbyes[1], "no goodbye");
                self.ended |= end;
                Some(count)
            }
            Poll::Ready(Err(error)) => {
                assert!(self.meddled || self.client_failed, "{error}");
                assert!(!self.ended, "{error}");
                self.failed = true;
                Some(0)
            }
        }
    }

    fn server_writes(&mut self, count: usize) {
        let Server::Open(stream) = &mut self.server else {
            return;
        };
        let bytes = numbered(self.written[1], count);
        let polled = waiting_for_something(&self.socket, |cx| {
            Pin::new(&mut **stream).poll_write(cx, &bytes)
        });
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(taken)) => {
                assert!(taken > 0 || count == 0);
                assert!(!self.goodbyes[1]);
                self.written[1] += taken;
            }
            Poll::Ready(Err(error)) => {
                let said = self.goodbyes[1] && error.kind() == ErrorKind::BrokenPipe;
                assert!(said || self.meddled || self.client_failed, "{error}");
            }
        }
    }

    fn server_closes(&mut self) -> bool {
        let Server::Open(stream) = &mut self.server else {
            return true;
        };
        self.goodbyes[1] = true;
        let polled =
            waiting_for_something(&self.socket, |cx| Pin::new(&mut **stream).poll_shutdown(cx));
        polled.is_ready()
    }

    /// What the server sent reaches the client, which reads all that it can.
    fn answer(&mut self) {
        let sent: Vec<u8> = self.socket.0.borrow_mut().sent.drain(..).collect();
        let mut sent = sent.as_slice();
        // rustls' own client asserts that nothing goes wrong after its goodbye.
        self.client_failed |= self.goodbyes[0] && self.meddled;
        while !sent.is_empty() && !self.client_failed {
            if self.client.read_tls(&mut sent).is_err() {
                self.client_failed = true;
            }
            if let Err(error) = self.client.process_new_packets() {
                assert!(self.meddled, "{error}");
                self.client_failed = true;
            }
            let mut read = Vec::new();
            let _ = self.client.reader().read_to_end(&mut read);
            assert!(read == numbered(self.read[1], read.len()), "the server's");
            self.read[1] += read.len();
            assert!(self.read[1] <= self.written[1]);
        }
    }

    /// Lets both sides say all that they have to say.
    fn settle(&mut self) {
        loop {
            let before = (self.read, self.socket.0.borrow().sent.len());
            self.socket.0.borrow_mut().room = usize::MAX;
            self.deliver(usize::MAX);
            self.server.go_on(&self.socket);
            while matches!(self.server_reads(4096), Some(1..)) {}
            let sent = self.socket.0.borrow().sent.len();
            self.answer();
            self.client_sends();
            if sent == 0 && self.on_its_way.is_empty() && before.0 == self.read {
                return;
            }
        }
    }

    /// What must be so when all that waited has been delivered.
    fn end(&mut self) {
        self.settle();
        if self.meddled {
            // Whatever was done to it: with the socket's end comes the stream's.
            self.socket.0.borrow_mut().ended = true;
            self.server.go_on(&self.socket);
            assert!(!matches!(self.server, Server::Handshake(_)));
            while matches!(self.server_reads(4096), Some(1..)) {}
            let open = matches!(self.server, Server::Open(_));
            assert!(!open || self.ended || self.failed);
            assert!(self.server_closes());
            return;
        }
        assert!(matches!(self.server, Server::Open(_)), "nobody meddled");
        assert!(!self.client_failed && !self.failed);
        if !self.goodbyes[1] {
            assert_eq!(self.read[0], self.written[0], "the server read all");
            assert_eq!(self.ended, self.goodbyes[0]);
        }
        assert!(self.server_closes());
        self.settle();
        assert_eq!(self.read[1], self.written[1], "the client read all");
        let state = self.client.process_new_packets().expect("nobody meddled");
        assert!(state.peer_has_closed(), "the goodbye arrived");
    }
}

/// Bytes that tell where they belong: those of a stream from a position on.
fn numbered(from: usize, count: usize) -> Vec<u8> {
    (from..from + count)
        .map(|at| (at ^ (at >> 8)) as u8)
        .collect()
}
