//! From a connection to an answer: accept, read, write down, fail as told, or let the dialect answer.

use std::{fmt, future::poll_fn, io, sync::Arc};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, MutexGuard};

use super::{
    connections::Connections,
    journal::{Ending, Journal, Recorded},
    line::{Line, Wire},
    outgoing::{CutError, Outgoing},
    port::Port,
};
use crate::{
    control,
    fault::{Before, Fault, Rules, before, spoil},
    reply::{Call, Dialect, Reply, ReplyBody},
};

/// What all connections of one server share.
pub(crate) struct Shared {
    pub(super) dialect: Arc<dyn Dialect>,
    /// Whether `/__fault` and `/__requests` are served.
    pub(super) control: bool,
    pub(super) port: Arc<Port>,
    pub(super) rules: Mutex<Rules>,
    pub(super) journal: Arc<Journal>,
    pub(super) connections: Arc<Connections>,
}

impl Shared {
    /// Accepts for as long as the task lives, through closings and openings of the port.
    pub(super) async fn accept(self: Arc<Self>) {
        loop {
            match poll_fn(|cx| self.port.poll_accept(cx)).await {
                Ok(stream) => {
                    // Pieces are to leave when they are flushed, not when a full packet has gathered.
                    let _ = stream.set_nodelay(true);
                    let line = Line::new(stream);
                    let guard = self.connections.enter(Arc::clone(&line));
                    let id = guard.id;
                    let shared = Arc::clone(&self);
                    let task = tokio::spawn(async move {
                        let _open = guard;
                        shared.serve(line).await;
                    });
                    self.connections.served_by(id, task.abort_handle());
                }
                // Out of descriptors, or the client left while it waited: the next one may do better.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    async fn serve(self: Arc<Self>, line: Arc<Line>) {
        let wire = TokioIo::new(Wire(Arc::clone(&line)));
        let service = service_fn(move |request| Arc::clone(&self).exchange(request, Arc::clone(&line)));
        // How it ended is in the journal, exchange by exchange.
        let _ = http1::Builder::new().serve_connection(wire, service).await;
    }

    async fn exchange(
        self: Arc<Self>,
        request: Request<Incoming>,
        line: Arc<Line>,
    ) -> Result<Response<Outgoing>, CutError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| CutError)?.to_bytes();
        let path = head.uri.path().to_owned();
        let recorded = Recorded {
            method: head.method.clone(),
            path: path.clone(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.clone(),
            body: body.clone(),
            ending: Ending::Open,
        };
        let mut call = Call {
            method: head.method,
            path,
            headers: head.headers,
            body,
            huge: false,
        };
        if self.control
            && let Some(reply) = control::answer(&self, &call)
        {
            let sent = spoil(None, &call.method, reply.body);
            let exchange = Arc::new(Journal::default()).begin(recorded);
            return Ok(respond(
                reply.status,
                reply.headers,
                Outgoing::new(sent, exchange),
            ));
        }

        let mut exchange = self.journal.begin(recorded);
        let fault = self.rules.lock().meet(&call.method, &call.path);
        call.huge = fault == Some(Fault::HugeLine);
        let reply = match before(fault.as_ref(), &call, &*self.dialect).await {
            Before::Reply(reply) => reply,
            Before::NoHttp(bytes) => {
                exchange.end(Ending::Failed);
                match bytes {
                    Some(bytes) => line.send_raw(&bytes).await,
                    None => line.reset(),
                }
                return Err(CutError);
            }
            Before::Answer => self.answer(fault.as_ref(), &call).await,
        };
        let sent = spoil(fault.as_ref(), &call.method, reply.body);
        Ok(respond(
            reply.status,
            reply.headers,
            Outgoing::new(sent, exchange),
        ))
    }

    /// Asks the dialect. An answer that is not streamed has no room for an error line: it is a 500 instead.
    async fn answer(&self, fault: Option<&Fault>, call: &Call) -> Reply {
        let reply = self.dialect.answer(call.clone()).await;
        let dies = matches!(fault, Some(Fault::ErrorLineAfter(_))) && call.method == Method::POST;
        if dies && matches!(reply.body, ReplyBody::Whole(_)) {
            let why = "llama runner process has terminated: exit status 2";
            return self
                .dialect
                .refusal(&call.path, StatusCode::INTERNAL_SERVER_ERROR, why);
        }
        reply
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock()
    }

    pub(crate) fn heard(&self) -> Vec<Recorded> {
        self.journal.all()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.journal.in_flight()
    }

    pub(crate) fn fail(&self, fault: Fault) {
        let mut rules = self.rules.lock();
        rules.all(fault);
        if rules.refuses_all() {
            self.die();
        }
    }

    pub(crate) fn heal(&self) -> io::Result<()> {
        let refused = {
            let mut rules = self.rules.lock();
            let refused = rules.refuses_all();
            rules.clear();
            refused
        };
        if refused { self.port.open() } else { Ok(()) }
    }

    /// Closes the port and resets every connection.
    pub(super) fn die(&self) {
        self.port.close();
        self.journal.fail_open();
        self.connections.reset_all();
    }
}

fn respond(status: StatusCode, headers: HeaderMap, body: Outgoing) -> Response<Outgoing> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("port", &self.port)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}
