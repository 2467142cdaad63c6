//! One request and its answer in HTTP/1.1 on a connection of its own.

use std::pin::pin;

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either, select},
};
use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;

use crate::{
    body::Outgoing,
    dial::Stream,
    headers::{MAX_HEAD, MAX_HEADERS},
};

/// Moves the bytes of a connection; polled by whoever reads the answer, so that no task outlives it.
pub(crate) type Driver = BoxFuture<'static, ()>;

/// Sends the request and waits for the head of the answer.
pub(crate) async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Outgoing>,
) -> hyper::Result<(Response<Incoming>, Driver)> {
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await?;
    // How it ends, whoever waits for the answer or its body learns as well.
    let driver = connection.map(|_| ()).boxed();
    let answer = pin!(sender.send_request(request));
    match select(answer, driver).await {
        Either::Left((answer, driver)) => Ok((answer?, driver)),
        Either::Right(((), answer)) => Ok((answer.await?, async {}.boxed())),
    }
}
