//! Bodies pass as they come, in both directions, and end as they end.

use std::time::Duration;

use crate::support::*;

#[test]
fn each_event_leaves_before_the_next_one_is_sent() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("POST /v1/chat/completions", "Content-Length: 0\r\n"));
    let mut asked = provider.accept();
    asked.head();
    asked.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n");
    let head = caller.head();
    assert_eq!(header(&head, "x-accel-buffering").as_deref(), Some("no"));
    assert_eq!(header(&head, "transfer-encoding").as_deref(), Some("chunked"));
    assert!(server.rest_of_log().is_empty(), "logged before the reply is whole");
    for piece in
        ["data: {\"a\":1}\n\n", "data: 你好\n\n", ": keep-alive\n\n", "d", "ata: [DONE]\n\n"]
    {
        asked.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(caller.chunk(), piece);
    }
    asked.send("0\r\n\r\n");
    assert_eq!(caller.chunk(), "");
    let line = server.log();
    assert_eq!((line["status"].as_u64(), line["attempts"].as_u64()), (Some(200), Some(1)));
    assert_eq!(
        (line["path"].as_str(), line["code"].is_null()),
        (Some("/v1/chat/completions"), true)
    );
    assert!(line["cold"].as_bool().unwrap() && line["upstream_ms"].is_u64());
}

#[test]
fn chunks_that_come_together_stay_apart() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    asked.send(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbb\r\n3;x=y\r\nccc\r\n0\r\n\r\n",
    );
    caller.head();
    let chunks: Vec<String> = (0..4).map(|_| caller.chunk()).collect();
    assert_eq!(chunks, ["a", "bb", "ccc", ""]);
}

#[test]
fn a_reply_may_take_longer_to_begin_than_anything_else_may() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    // Nothing comes and nothing ends, beyond every limit that there is: 10 s for heads and for connecting.
    asked.is_silent_for(Duration::from_secs(11));
    assert!(caller.is_open());
    asked.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate");
    let head = caller.head();
    assert_eq!(caller.body(&head), "late");
}

#[test]
fn an_upload_arrives_while_it_is_sent() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let boundary =
        "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n";
    let mut caller = server.send(&request("POST /v1/audio/transcriptions", boundary));
    let mut asked = provider.accept();
    let head = asked.head();
    assert_eq!(header(&head, "content-type").as_deref(), Some("multipart/form-data; boundary=b"));
    assert_eq!(header(&head, "transfer-encoding").as_deref(), Some("chunked"));
    for piece in
        ["--b\r\n", "content-disposition: form-data; name=\"file\"\r\n\r\n", "x", "\r\n--b--"]
    {
        caller.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(asked.chunk(), piece);
    }
    caller.send("0\r\n\r\n");
    assert_eq!(asked.chunk(), "");
    asked.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(status(&caller.head()), 200);
}

#[test]
fn any_method_may_have_a_body() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let mut caller = server.send(
            &(request(
                &format!("{method} /v1/x"),
                "Transfer-Encoding: chunked\r\nConnection: close\r\n",
            ) + "2\r\nhi\r\n0\r\n\r\n"),
        );
        let mut asked = provider.accept();
        assert!(asked.head().starts_with(&format!("{method} /v1/x HTTP/1.1\r\n")));
        assert_eq!((asked.chunk().as_str(), asked.chunk().as_str()), ("hi", ""), "{method}");
        asked.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(status(&caller.head()), 200);
    }
}

#[test]
fn five_megabytes_pass_both_ways_at_once() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let bytes: Vec<u8> =
        (0..5_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let length = format!("Content-Length: {}\r\n", bytes.len());
    let mut caller = server.send(&request("POST /v1/files", &length));
    let mut asked = provider.accept();
    let head = asked.head();
    assert_eq!(header(&head, "content-length"), Some(bytes.len().to_string()));
    // The first part is there before the last is sent.
    let (first, rest) = bytes.split_at(1 << 16);
    caller.send(first);
    assert!(asked.exactly(first.len()) == first);
    asked.send(format!("HTTP/1.1 200 OK\r\n{length}\r\n"));
    asked.send(first);
    std::thread::scope(|scope| {
        let mut sender = caller.stream.try_clone().unwrap();
        scope.spawn(move || std::io::Write::write_all(&mut sender, rest).unwrap());
        scope.spawn(|| {
            let came = asked.exactly(rest.len());
            assert!(came == rest);
            asked.send(came);
        });
        caller.head();
        assert!(caller.exactly(bytes.len()) == bytes);
    });
}

#[test]
fn a_caller_that_expects_100_is_told_to_go_on_when_the_provider_is_there() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller =
        server.send(&request("POST /v1/files", "Expect: 100-continue\r\nContent-Length: 4\r\n"));
    let mut asked = provider.accept();
    assert!(header(&asked.head(), "expect").is_none());
    assert_eq!(caller.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    caller.send("file");
    asked.expect("file");
    asked.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(status(&caller.head()), 200);

    let mut refused = server.send(
        "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    assert_eq!(failure(&mut refused).0, 401);
}

#[test]
fn a_refused_upload_gets_its_refusal_and_not_a_reset() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&format!(
        "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        5 << 20
    ));
    // A client that sends all of it before it reads.
    caller.send(vec![b'x'; 5 << 20]);
    assert_eq!(failure(&mut caller).0, 401);
    assert_eq!(caller.rest(), "");
}

#[test]
fn an_early_reply_passes_while_the_upload_is_still_coming() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("POST /v1/files", "Content-Length: 1000000\r\n"));
    let mut asked = provider.accept();
    asked.head();
    asked.send(
        "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig",
    );
    let head = caller.head();
    assert_eq!((status(&head), caller.body(&head).as_str()), (413, "big"));
}

#[test]
fn a_reply_that_breaks_off_breaks_off() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for (head, body) in [
        ("transfer-encoding: chunked\r\n", "3\r\nabc\r\n"),
        ("transfer-encoding: chunked\r\n", "9\r\nabc"),
        ("content-length: 9\r\n", "abc"),
    ] {
        let mut caller = server.send(&request("GET /v1/x", ""));
        let mut asked = provider.accept();
        asked.head();
        asked.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}"));
        assert_eq!(status(&caller.head()), 200);
        match head.starts_with("transfer") {
            true => assert_eq!(caller.chunk(), "abc"),
            false => caller.expect("abc"),
        }
        asked.close();
        assert_eq!(caller.rest(), "", "an end after {body:?}");
        let line = server.log();
        assert_eq!(
            (line["status"].as_u64(), line["code"].as_str()),
            (Some(200), Some("upstream_failed"))
        );
    }
}

#[test]
fn what_came_before_the_break_is_passed_on() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    // A chunk whose size is none: the break comes with what is before it.
    asked.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nnone\r\n");
    assert_eq!(status(&caller.head()), 200);
    assert_eq!(caller.chunk(), "abc");
    assert_eq!(caller.rest(), "");
}

#[test]
fn a_reply_that_breaks_off_is_reset_for_a_caller_that_knows_no_chunks() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/x", "").replace("HTTP/1.1", "HTTP/1.0"));
    let mut asked = provider.accept();
    assert!(asked.head().starts_with("GET /v1/x HTTP/1.1\r\n"));
    asked.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert!(caller.head().starts_with("HTTP/1.0 200 OK\r\n"));
    caller.expect("abc");
    asked.close();
    let ended = std::io::Read::read(&mut caller.stream, &mut [0]);
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_reply_that_ends_with_its_connection_ends() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    asked.send("HTTP/1.0 200 OK\r\n\r\nall");
    assert!(caller.head().starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(caller.chunk(), "all");
    asked.close();
    assert_eq!(caller.chunk(), "");
}
