//! The shims: a component's entries, each of which contains what happens behind it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use abi_stable::std_types::{RErr, RNone, ROk, ROption, RSlice, RStr, RVec};
use async_ffi::{FfiFuture, FutureExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::calls::{CallGuard, Calls};
use super::entered::Entered;
use super::identity::Identity;
use super::runtime::Executor;
use super::serve::{Opened, Serve};
use super::trace::{CALL, CallInfo};
use crate::abi::raw::{BytesResult, OpenResult, RawExtensionBox, RawOpened, RawPlugin, RawStreamBox};
use crate::abi::shared::bytes::received;
use crate::abi::shared::contain::{Contained, catch};
use crate::abi::shared::stream;
use crate::abi::shared::task::AbortOnDrop;
use crate::abi::wire;
use crate::{ByteStream, Context, Error, ErrorCode, Fault, Retry};

/// How long the dropping of what is left at the end may take before nobody waits for it any more.
const LAST: Duration = Duration::from_secs(1);

/// A component as it crosses: the author's type, the runtime it runs on, and the calls in flight.
pub(crate) struct Component<S: Serve> {
    inner: Arc<Inner>,
    /// Emptied only by drop.
    serve: Option<Arc<S>>,
}

/// What a component's tasks share.
struct Inner {
    identity: Arc<Identity>,
    executor: Executor,
    calls: Arc<Calls>,
    tasks: TaskTracker,
    /// Set when no new work is taken.
    closing: AtomicBool,
    /// Fires when the grace has passed: what still runs is dropped.
    stop: CancellationToken,
}

impl<S: Serve> Component<S> {
    pub(crate) fn new(identity: Arc<Identity>, executor: Executor, serve: Arc<S>) -> Self {
        let inner = Inner {
            identity,
            executor,
            calls: Arc::default(),
            tasks: TaskTracker::new(),
            closing: AtomicBool::new(false),
            stop: CancellationToken::new(),
        };
        Self {
            inner: Arc::new(inner),
            serve: Some(serve),
        }
    }

    fn serve(&self) -> Result<&Arc<S>, Error> {
        match &self.serve {
            Some(serve) if !self.inner.closing.load(Ordering::Acquire) => Ok(serve),
            _ => Err(self.inner.gone()),
        }
    }

    /// What a call begins with: a context that the host can cancel, and the author's future.
    fn begin<T>(
        &self,
        number: u64,
        op: &str,
        context: &[u8],
        begin: impl FnOnce(Arc<S>, Context) -> T,
    ) -> Result<(CallGuard, CallInfo, T), Error> {
        let serve = self.serve()?.clone();
        let (guard, token) = self.inner.calls.begin(number);
        let context = wire::context::decode(context, token)?;
        let info = CallInfo {
            request_id: context.request_id.clone(),
            traceparent: context.traceparent.clone(),
        };
        let begun = self.inner.identity.contain(op, || Ok(begin(serve, context)))?;
        Ok((guard, info, begun))
    }
}

impl Inner {
    fn gone(&self) -> Error {
        Error::new(
            ErrorCode::GONE,
            Fault::Host,
            format!("{} is being shut down and takes no new work", self.identity.name),
        )
        .retry(Retry::Now)
    }

    /// Runs the author's future on the component's runtime: contained, within the call's task-locals, dropped when
    /// the component stops.
    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        op: &str,
        info: CallInfo,
        future: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> AbortOnDrop<Result<T, Error>> {
        let inner = self.clone();
        let op = op.to_owned();
        let scoped = Entered::new(self.identity.clone(), CALL.scope(info, future));
        // The hook has reported such a panic, and nobody waits for an answer.
        let contained = Contained::new(scoped, |_| {});
        let task = async move {
            tokio::select! {
                biased;
                result = contained => match result {
                    Ok(result) => result,
                    Err(panic) => Err(inner.identity.panicked(&op, &panic)),
                },
                () = inner.stop.cancelled() => Err(inner.gone()),
            }
        };
        AbortOnDrop::new(self.executor.handle().spawn(self.tasks.track_future(task)))
    }

    /// Makes a stream of the author's fit to cross: a task of the component feeds it.
    fn produce(
        self: &Arc<Self>,
        op: &str,
        info: CallInfo,
        call: CallGuard,
        stream: ByteStream,
    ) -> RawStreamBox {
        let (producer, reader) = stream::channel();
        let last_words = producer.clone();
        let inner = self.clone();
        let name = op.to_owned();
        let feeding = self.spawn(op, info, async move {
            producer.drain(stream).await;
            Ok(())
        });
        let task = self.executor.handle().spawn(self.tasks.track_future(async move {
            let _call = call;
            let error = match feeding.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => inner.gone(),
            };
            tracing::debug!(op = name, %error, "a stream ended early");
            last_words.send(Err(error)).await;
        }));
        stream::raw(reader, AbortOnDrop::new(task))
    }

    /// The end, in order: no new work; a word to the present; the grace; what is left is dropped; the host's services
    /// answer no more; the threads go.
    async fn shut_down(self: Arc<Self>, grace: Duration) {
        self.tasks.close();
        self.calls.cancel_all();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        self.stop.cancel();
        let _ = tokio::time::timeout(LAST, self.tasks.wait()).await;
    }
}

impl<S: Serve> RawPlugin for Component<S> {
    fn decide(&self, head: RSlice<'_, u8>, body: RSlice<'_, u8>) -> BytesResult {
        let decided = self.serve().and_then(|serve| {
            self.inner
                .identity
                .contain("decide", || serve.decide(head.as_slice(), body.as_slice()))
        });
        answer(decided)
    }

    fn query(&self, op: RStr<'_>, payload: RSlice<'_, u8>) -> BytesResult {
        let answered = self.serve().and_then(|serve| {
            self.inner
                .identity
                .contain(op.as_str(), || serve.query(op.as_str(), payload.as_slice()))
        });
        answer(answered)
    }

    fn call(
        &self,
        call: u64,
        op: RStr<'_>,
        context: RSlice<'_, u8>,
        payload: RVec<u8>,
    ) -> FfiFuture<BytesResult> {
        let op = op.as_str();
        let begun = self.begin(call, op, context.as_slice(), |serve, context| {
            serve.call(op, context, received(payload))
        });
        let (guard, info, future) = match begun {
            Ok(begun) => begun,
            Err(error) => return std::future::ready(RErr(error.into())).into_ffi(),
        };
        let inner = self.inner.clone();
        let task = self.inner.spawn(op, info, async move {
            let _guard = guard;
            future.await
        });
        async move { answer(task.await.unwrap_or_else(|_| Err(inner.gone()))) }.into_ffi()
    }

    fn open(
        &self,
        call: u64,
        op: RStr<'_>,
        context: RSlice<'_, u8>,
        payload: RVec<u8>,
    ) -> FfiFuture<OpenResult> {
        let op = op.as_str();
        let begun = self.begin(call, op, context.as_slice(), |serve, context| {
            serve.open(op, context, received(payload))
        });
        let (guard, info, future) = match begun {
            Ok(begun) => begun,
            Err(error) => return std::future::ready(stream::refused(error)).into_ffi(),
        };
        let inner = self.inner.clone();
        let name = op.to_owned();
        let stream_info = info.clone();
        let task = self.inner.spawn(op, info, {
            let inner = self.inner.clone();
            async move {
                let Opened { head, stream } = future.await?;
                let stream = stream.map(|stream| inner.produce(&name, stream_info, guard, stream));
                Ok(RawOpened {
                    head: head.into(),
                    stream: stream.into(),
                })
            }
        });
        async move {
            match task.await.unwrap_or_else(|_| Err(inner.gone())) {
                Ok(opened) => ROk(opened),
                Err(error) => stream::refused(error),
            }
        }
        .into_ffi()
    }

    fn cancel(&self, call: u64) {
        self.inner.calls.cancel(call);
    }

    fn shutdown(&self, grace_ms: u64) -> FfiFuture<()> {
        self.inner.closing.store(true, Ordering::Release);
        let inner = self.inner.clone();
        // On the component's own runtime, because the timers must be of this copy of tokio.
        let ending = inner
            .executor
            .handle()
            .spawn(inner.clone().shut_down(Duration::from_millis(grace_ms)));
        async move {
            // Fails only where the runtime is gone already, which is what we want.
            let _ = ending.await;
            inner.identity.leave();
            inner.executor.stop();
        }
        .into_ffi()
    }

    fn extension(&self, _id: RStr<'_>) -> ROption<RawExtensionBox> {
        RNone
    }

    #[cfg(not(feature = "matrix-older"))]
    fn status(&self) -> RVec<u8> {
        let status = serde_json::json!({
            "panics": self.inner.identity.panics.load(Ordering::Relaxed),
            "calls": self.inner.calls.len(),
            "tasks": self.inner.executor.handle().metrics().num_alive_tasks(),
        });
        status.to_string().into_bytes().into()
    }

    #[cfg(all(feature = "matrix-newer", not(feature = "matrix-older")))]
    fn echo(&self, number: u64) -> u64 {
        number
    }
}

impl<S: Serve> Drop for Component<S> {
    fn drop(&mut self) {
        self.inner.closing.store(true, Ordering::Release);
        self.inner.calls.cancel_all();
        self.inner.stop.cancel();
        let serve = self.serve.take();
        // Within the runtime's context, for the author's `Drop` may spawn.
        let _context = self.inner.executor.handle().enter();
        let _ = catch(|| self.inner.identity.enter(|| drop(serve)));
        self.inner.identity.leave();
        self.inner.executor.stop();
    }
}

fn answer(result: Result<Vec<u8>, Error>) -> BytesResult {
    match result {
        Ok(bytes) => ROk(bytes.into()),
        Err(error) => RErr(error.into()),
    }
}
