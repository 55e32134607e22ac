//! What an idle TLS connection keeps of the server's heap: the figure in the crate's
//! documentation.

mod common;

use cognate_config::options::TlsOptions;
use cognate_tls::ServerTls;
use common::Authority;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

thread_local! {
    /// Bytes that this thread holds.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: usize, sign: isize) {
    let _ = HELD.try_with(|held| held.set(held.get() + sign * bytes as isize));
}

// SAFETY: all calls go to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The clients run in a thread of their own, so that their memory is not counted.
#[test]
fn an_idle_connection_costs_little() {
    const CONNECTIONS: usize = 50;
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let authority = Authority::new();
    for (verify, limit) in [(false, 3 << 10), (true, 5 << 10)] {
        let tls = ServerTls::load(&TlsOptions {
            verify,
            ..authority.options()
        })
        .unwrap();
        let certificate = authority.issue(&[if verify { "client" } else { "nobody" }]);
        let client = Arc::new(authority.client(Some(&certificate)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let clients = std::thread::spawn(move || {
            runtime().block_on(async {
                let mut streams = Vec::new();
                for _ in 0..CONNECTIONS {
                    let stream = TcpStream::connect(address).await.unwrap();
                    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&client));
                    let name = "localhost".try_into().unwrap();
                    let mut stream = connector.connect(name, stream).await.unwrap();
                    stream.write_all(b"PING\r\n").await.unwrap();
                    stream.read_exact(&mut [0; 6]).await.unwrap();
                    streams.push(stream);
                }
                for mut stream in streams {
                    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or_default(), 0);
                }
            });
        });
        let held = runtime().block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut streams = Vec::with_capacity(CONNECTIONS);
            let mut before = 0;
            for index in 0..CONNECTIONS {
                if index == 1 {
                    // The first connection pays for what is made once.
                    before = HELD.with(Cell::get);
                }
                let (stream, _) = listener.accept().await.unwrap();
                let (mut stream, detail) = tls.accept(stream).await.unwrap();
                stream.read_exact(&mut [0; 6]).await.unwrap();
                stream.write_all(b"PONG\r\n").await.unwrap();
                stream.flush().await.unwrap();
                streams.push(Box::new((stream, detail)));
            }
            HELD.with(Cell::get) - before
        });
        clients.join().unwrap();
        let each = held / (CONNECTIONS as isize - 1);
        println!("verify: {verify}, bytes of an idle connection: {each}");
        assert!(
            0 < each && each < limit,
            "verify: {verify}, {each} bytes each"
        );
    }
}
