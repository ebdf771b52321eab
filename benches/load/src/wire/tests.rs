//! What went wrong is told apart: never sent, broken behind that, too late.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const SECOND: Nanos = 1_000_000_000;

async fn listener() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = Target::new(&url, "k", &Trust::System).unwrap();
    (listener, target)
}

async fn read(stream: &mut TcpStream) {
    let mut buffer = [0; 1_024];
    assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
}

async fn ask(slot: &mut Slot, target: &Target, within: Nanos) -> Result<u16, Lost> {
    let clock = Clock::begin();
    let call = Call::get(Uri::from_static("/x"));
    slot.ask(target, &call, clock, within).await.answer.map(|answer| answer.status)
}

#[tokio::test]
async fn a_connection_is_kept_and_one_that_was_closed_meanwhile_is_replaced() {
    let (listener, target) = listener().await;
    let (answered, both) = tokio::sync::oneshot::channel();
    let (gone, closed) = tokio::sync::oneshot::channel();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..2 {
            read(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
        }
        both.await.unwrap();
        drop(stream);
        gone.send(()).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        read(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
    };
    let asking = async {
        let mut slot = Slot::new(0);
        for _ in 0..2 {
            assert_eq!(ask(&mut slot, &target, 10 * SECOND).await, Ok(200));
        }
        assert!(slot.line.is_some(), "the connection was not kept");
        answered.send(()).unwrap();
        closed.await.unwrap();
        assert_eq!(ask(&mut slot, &target, 10 * SECOND).await, Ok(200));
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn nobody_there_is_not_sent() {
    let (listener, target) = listener().await;
    drop(listener);
    assert_eq!(ask(&mut Slot::new(0), &target, SECOND).await, Err(Lost::NotSent));
}

#[tokio::test]
async fn a_connection_that_ends_behind_the_request_is_broken_wherever_it_ends() {
    for said in [&b""[..], &ANSWER[..9], &ANSWER[..ANSWER.len() - 1], b"nonsense\r\n\r\n"] {
        let (listener, target) = listener().await;
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read(&mut stream).await;
            stream.write_all(said).await.unwrap();
        };
        let mut slot = Slot::new(0);
        let (answer, ()) = tokio::join!(ask(&mut slot, &target, 10 * SECOND), serving);
        assert_eq!(answer, Err(Lost::Broken), "{}", String::from_utf8_lossy(said));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_given_up_and_its_connection_with_it() {
    let (listener, target) = listener().await;
    let mut slot = Slot::new(0);
    assert_eq!(ask(&mut slot, &target, SECOND / 50).await, Err(Lost::TimedOut));
    let (mut late, _) = listener.accept().await.unwrap();
    read(&mut late).await;
    let (answer, _) = tokio::join!(ask(&mut slot, &target, 10 * SECOND), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        stream
    });
    assert_eq!(answer, Ok(200));
}
