//! Servers that behave and servers that do not, on loopback.

use std::io::BufRead as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use super::*;

/// Serves one connection after the other with `answer`; the address to ask at.
fn server(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("connected");
            let mut lines = std::io::BufReader::new(stream.try_clone().expect("shared")).lines();
            let request = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
            answer(&request, &mut stream);
        }
    });
    address
}

fn client(timeout: Duration) -> Debuginfod {
    Debuginfod::new(&SymbolEnvironment { timeout, ..SymbolEnvironment::default() })
}

fn fetch(url: &str, cancelled: &AtomicBool) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    client(Duration::from_millis(300)).fetch(url, cancelled, &mut |_, _| {}, &mut bytes)?;
    Ok(bytes)
}

fn answered(head: &'static str, body: &'static [u8]) -> Result<Vec<u8>, FetchError> {
    let address = server(move |_, stream| {
        let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
        let _ = stream.write_all(body);
    });
    fetch(&format!("http://{address}/buildid/00/debuginfo"), &AtomicBool::new(false))
}

fn reason(result: Result<Vec<u8>, FetchError>) -> String {
    match result {
        Err(FetchError::Failed(reason)) => {
            assert!(!reason.contains('\n'), "one line: {reason:?}");
            reason
        }
        other => panic!("a failure was expected: {other:?}"),
    }
}

#[test]
fn a_file_arrives_with_its_progress() {
    let body: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let sent = body.clone();
    let address = server(move |request, stream| {
        assert_eq!(request, "GET /buildid/0102/debuginfo HTTP/1.1");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len());
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&sent).expect("sent");
    });
    let (mut bytes, mut told) = (Vec::new(), Vec::new());
    let url = format!("http://{address}/buildid/0102/debuginfo");
    let mut progress = |done, total| told.push((done, total));
    client(Duration::from_secs(5))
        .fetch(&url, &AtomicBool::new(false), &mut progress, &mut bytes)
        .expect("arrives");
    assert!(bytes == body);
    assert_eq!(told.last(), Some(&(4_000_000, 4_000_000)));
    assert!(told.windows(2).all(|pair| pair[0].0 <= pair[1].0) && told.len() > 10);
}

#[test]
fn what_is_not_there_is_absent_and_all_else_is_said_in_a_line() {
    assert_eq!(answered("404 Not Found", b""), Err(FetchError::Absent));
    assert_eq!(answered("200 OK\r\nContent-Length: 3", b"abc"), Ok(b"abc".to_vec()));
    assert_eq!(answered("200 OK\r\nConnection: close", b"abc"), Ok(b"abc".to_vec()));
    let error = reason(answered("503 Service Unavailable\r\nContent-Length: 0", b""));
    assert_eq!(error, "the server answers 503 Service Unavailable");
    reason(answered("200 OK\r\nContent-Length: 10", b"abc"));
    reason(answered("nonsense", b""));
    reason(fetch("http://127.0.0.1:1/x", &AtomicBool::new(false)));
    reason(fetch("http://name.invalid/x", &AtomicBool::new(false)));
    reason(fetch("no address at all", &AtomicBool::new(false)));
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let start = Instant::now();
    let silent = server(|_, _| {
        loop {
            thread::park();
        }
    });
    let error = reason(fetch(&format!("http://{silent}/x"), &AtomicBool::new(false)));
    assert!(error.contains("timeout"), "{error}");
    // In the middle of a file, too.
    let stuck = server(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").expect("sent");
        loop {
            thread::park();
        }
    });
    reason(fetch(&format!("http://{stuck}/x"), &AtomicBool::new(false)));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn who_cancels_does_not_wait() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let silent = server(|_, _| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        loop {
            thread::park();
        }
    });
    let cancelled = Arc::new(AtomicBool::new(false));
    let user = Arc::clone(&cancelled);
    thread::spawn(move || {
        while ASKED.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        user.store(true, Ordering::Release);
    });
    let patient = client(Duration::from_secs(600));
    let url = format!("http://{silent}/x");
    let result = patient.fetch(&url, &cancelled, &mut |_, _| {}, &mut Vec::new());
    assert_eq!(result, Err(FetchError::Cancelled));
}

#[test]
fn a_sink_that_is_full_ends_the_transfer() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let address = server(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    });
    let url = format!("http://{address}/x");
    let cancelled = AtomicBool::new(false);
    let result = client(Duration::from_secs(5)).fetch(&url, &cancelled, &mut |_, _| {}, &mut Full);
    assert_eq!(result, Err(FetchError::Failed("no storage space".to_owned())));
}
