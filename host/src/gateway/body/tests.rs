use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{Full, StreamBody};

use super::*;

fn limits() -> Limits {
    Limits {
        body_bytes: 64 << 10,
        body_idle_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// A body whose pieces come one every so often, for ever.
fn dripping(every: Duration, piece: &'static [u8]) -> impl Body<Data = Bytes, Error = BoxError> + Unpin {
    let pieces = stream::repeat(()).then(move |()| async move {
        tokio::time::sleep(every).await;
        Ok(Frame::data(Bytes::from_static(piece)))
    });
    StreamBody::new(Box::pin(pieces))
}

#[tokio::test]
async fn a_small_body_is_handed_on_as_it_came_and_uncounted() {
    let budget = Budget::new(0);
    let sent = Bytes::from_static(b"{}");
    let got = read(Full::new(sent.clone()), &limits(), &budget).await.unwrap();
    assert_eq!(got.as_ptr(), sent.as_ptr());
}

#[tokio::test]
async fn a_larger_body_is_counted_until_it_is_dropped() {
    let budget = Budget::new(64 << 10);
    let got = read(Full::new(Bytes::from(vec![7; 40 << 10])), &limits(), &budget)
        .await
        .unwrap();
    assert_eq!((got.len(), budget.used()), (40 << 10, 40 << 10));
    let second = read(Full::new(Bytes::from(vec![7; 40 << 10])), &limits(), &budget).await;
    assert_eq!(second.unwrap_err().code, ErrorCode::RESOURCE_EXHAUSTED);
    drop(got);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_promise_beyond_the_limit_is_refused_unread() {
    /// Promises much and panics when asked for it.
    struct Promise;
    impl Body for Promise {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            panic!("read");
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(100 << 20)
        }
    }
    let error = read(Promise, &limits(), &Budget::new(1 << 30)).await.unwrap_err();
    assert_eq!((error.code, error.http_status()), (ErrorCode::TOO_LARGE, 413));
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_cut_at_the_limit_and_gives_its_bytes_back() {
    let budget = Budget::new(1 << 30);
    let endless = dripping(Duration::ZERO, &[0; 8 << 10]);
    let error = read(endless, &limits(), &budget).await.unwrap_err();
    assert_eq!((error.code, budget.used()), (ErrorCode::TOO_LARGE, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_is_given_up() {
    let started = Instant::now();
    let error = read(
        dripping(Duration::from_secs(11), b"x"),
        &limits(),
        &Budget::new(1),
    )
    .await;
    assert_eq!(error.unwrap_err().http_status(), 408);
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up_in_the_end() {
    let started = Instant::now();
    let error = read(
        dripping(Duration::from_secs(9), b"x"),
        &limits(),
        &Budget::new(100),
    )
    .await;
    assert_eq!(error.unwrap_err().code, ErrorCode::CLIENT_TIMEOUT);
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_mistake() {
    let pieces = stream::iter([
        Ok(Frame::data(Bytes::from_static(b"{"))),
        Err(BoxError::from("reset")),
    ]);
    let error = read(StreamBody::new(pieces), &limits(), &Budget::new(100))
        .await
        .unwrap_err();
    assert_eq!((error.http_status(), error.fault), (400, Fault::Client));
}
