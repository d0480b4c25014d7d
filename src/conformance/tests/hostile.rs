//! Servers that mean harm, or nothing at all: the run ends by itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::super::{Limits, Options, Report, all_cases, run};
use crate::clock::SystemClock;

/// Does something to each connection until told that it is over.
struct Hostile {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Hostile {
    fn start(act: fn(&mut TcpStream, &AtomicBool)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&over);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if own.load(Ordering::Relaxed) {
                    return;
                }
                let own = Arc::clone(&own);
                thread::spawn(move || act(&mut stream, &own));
            }
        });
        Self { address, over }
    }

    fn tried(&self) -> Report {
        tried(&format!("http://{}", self.address))
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn tried(url: &str) -> Report {
    let limits = Limits {
        silence: Duration::from_millis(50),
        answer: Duration::from_millis(100),
        bytes: 64 * 1024,
        run: Duration::from_secs(1),
    };
    run(url, &Options { limits, ..Options::default() }, &SystemClock).unwrap()
}

/// Reads until the other side is gone, so that nothing is ever said.
fn listen(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn repeat(stream: &mut TcpStream, over: &AtomicBool, bytes: &[u8]) {
    while !over.load(Ordering::Relaxed) && stream.write_all(bytes).is_ok() {}
}

fn ended(report: &Report) {
    assert_eq!(
        report.findings.len(),
        all_cases().iter().filter(|case| case.v1 != Some(true)).count()
    );
    assert!(!report.holds(), "{report}");
    assert!(report.to_string().ends_with("skipped\n"));
}

#[test]
fn a_mute_server_ends_the_run() {
    ended(&Hostile::start(|stream, _| listen(stream)).tried());
}

#[test]
fn a_server_that_hangs_up_ends_the_run() {
    ended(&Hostile::start(|_, _| {}).tried());
}

#[test]
fn a_trickling_server_ends_the_run() {
    let trickle = |stream: &mut TcpStream, over: &AtomicBool| {
        // A byte whenever the reader has had time to take the last one.
        let _ = stream.set_read_timeout(Some(Duration::from_millis(10)));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        while !over.load(Ordering::Relaxed) && stream.write_all(b"x").is_ok() {
            let _ = stream.read(&mut [0; 512]);
        }
    };
    ended(&Hostile::start(trickle).tried());
}

#[test]
fn an_endless_head_ends_the_run() {
    let flood = |stream: &mut TcpStream, over: &AtomicBool| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        repeat(stream, over, b"X-More: and more\r\n");
    };
    ended(&Hostile::start(flood).tried());
}

#[test]
fn an_endless_body_ends_the_run() {
    let flood = |stream: &mut TcpStream, over: &AtomicBool| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        repeat(stream, over, b"and more\n");
    };
    ended(&Hostile::start(flood).tried());
}

#[test]
fn endless_chunks_and_endless_interim_answers_end_the_run() {
    let chunks = |stream: &mut TcpStream, over: &AtomicBool| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        repeat(stream, over, b"1\r\nx\r\n");
    };
    ended(&Hostile::start(chunks).tried());
    let interim = |stream: &mut TcpStream, over: &AtomicBool| {
        repeat(stream, over, b"HTTP/1.1 100 Continue\r\n\r\n");
    };
    ended(&Hostile::start(interim).tried());
}

#[test]
fn a_listing_without_end_ends_the_run() {
    let maze = |stream: &mut TcpStream, _: &AtomicBool| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na/\nb/");
    };
    ended(&Hostile::start(maze).tried());
}

#[test]
fn noise_ends_the_run() {
    let noise = |stream: &mut TcpStream, over: &AtomicBool| repeat(stream, over, b"\0\xff\r\n\r\n");
    ended(&Hostile::start(noise).tried());
    let huge = |stream: &mut TcpStream, _: &AtomicBool| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
        listen(stream);
    };
    ended(&Hostile::start(huge).tried());
}

#[test]
fn a_port_where_nobody_listens_ends_the_run() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = tried(&format!("http://{free}"));
    ended(&report);
    assert!(report.to_string().contains("no connection"), "{report}");
}
