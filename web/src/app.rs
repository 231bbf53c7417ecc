//! What a request is for: the question endpoint, the state of this server, or the provider.

use std::future::ready;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use ask_core::attempts::{Attempts, Memory, Now};
use ask_core::lang::{Lang, Sentence};
use ask_core::proxy::transfer_coding;
use ask_core::rate::Rates;
use ask_core::reply;
use ask_core::secret::{Mask, Secret};
use ask_core::settings::Fault;
use ask_core::shape::Shape;
use ask_core::{Failure, Settings, access};
use http::header::{CONNECTION, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::body::ReplyBody;
use crate::exchange::Exchange;
use crate::provider::Provider;
use crate::{ask, proxy};

/// A reply that is being made. In a box, so that a connection takes no more room than what it is doing.
pub(crate) type Replying = Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>;

/// What all requests share.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) mask: Mask,
    /// Only this machine reaches the server.
    pub(crate) local: bool,
    provider: Result<Arc<Provider>, Fault>,
    memory: Mutex<Memory>,
    rates: Mutex<Rates>,
    /// The platform's own headers are to be believed.
    pub(crate) on_scf: bool,
    /// No request has come yet.
    pub(crate) cold: AtomicBool,
}

impl App {
    /// Takes the settings, sound or not: what is wrong with them becomes the answer to every question.
    pub(crate) fn new(mut settings: Settings, local: bool, on_scf: bool) -> Self {
        let provider = Provider::new(&settings);
        settings.faults.extend(provider.as_ref().err().cloned());
        Self {
            mask: settings.mask(),
            settings,
            local,
            provider: provider.map(Arc::new),
            memory: Mutex::default(),
            rates: Mutex::default(),
            on_scf,
            cold: AtomicBool::new(true),
        }
    }

    /// The way to the provider. Fails where the settings are not sound.
    pub(crate) fn provider(&self) -> Result<&Arc<Provider>, Failure> {
        match (self.settings.faults.first(), &self.provider) {
            (None, Ok(provider)) => Ok(provider),
            (Some(fault), _) | (None, Err(fault)) => Err(Failure::Config(fault.clone())),
        }
    }

    /// The key to lend: the first that was not refused lately.
    pub(crate) fn key(&self) -> Option<Secret> {
        Attempts::new(&self.settings, &self.memory(), Instant::now()).key().cloned()
    }

    /// The provider refused this key: others are lent for a while, if there are any.
    pub(crate) fn put_aside(&self, key: &Secret) {
        let now = Now { instant: Instant::now(), time: SystemTime::now(), left: None };
        let mut memory = self.memory();
        let mut attempts = Attempts::new(&self.settings, &memory, now.instant);
        // Another request may have been refused meanwhile, and put it aside.
        if attempts.key().is_some_and(|next| next.matches(key.expose())) {
            // Whether there is another key is of no matter here.
            let _ = attempts.after(Failure::UpstreamKey.into(), &mut memory, now, 0.0);
        }
    }

    /// Counts a question of this address. Fails where there were too many.
    pub(crate) fn count(&self, address: IpAddr) -> Result<(), Failure> {
        let Some(rate) = self.settings.rate else { return Ok(()) };
        // A table that a panic left half changed still counts.
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).count(
            address,
            rate,
            Instant::now(),
        )
    }

    /// Which keys and models failed lately.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        // What is remembered is whole whenever the lock is free.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replies to one request.
    pub(crate) fn reply(&self, exchange: Exchange, request: Request<Incoming>) -> Replying {
        let is_ours = is_ours(request.uri().path());
        let is_foreign = self.local && !self.is_called_by_its_name(&request);
        let caller = || self.caller(&exchange, request.headers());
        if let Err(failure) = transfer_coding(request.headers()) {
            let mut reply = if is_ours {
                let why = Sentence::new("it is not in chunks alone", "传输编码不只是 chunked");
                let reply = caller().failure(&Failure::BodyUnreadable(why));
                exchange.whole(reply)
            } else {
                proxy::fail(exchange, request.headers(), failure)
            };
            // Whoever is between may find the end of this request elsewhere, and take what follows for part of it.
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return at_once(reply);
        }
        match request.uri().path() {
            _ if is_foreign && is_ours => {
                let reply = caller().failure(&Failure::Host);
                at_once(exchange.whole(reply))
            }
            _ if is_foreign => {
                at_once(proxy::fail(exchange, request.headers(), Failure::Host.into()))
            }
            "/healthz" => {
                let reply = self.health(&caller(), request.method());
                at_once(exchange.whole(reply))
            }
            _ if is_ours => Box::pin(ask::reply(exchange, request)),
            _ => Box::pin(proxy::reply(exchange, request)),
        }
    }

    /// How a caller is replied to of which only the head is known.
    pub(crate) fn caller(&self, exchange: &Exchange, headers: &HeaderMap) -> reply::Caller {
        reply::Caller {
            lang: Lang::of(headers),
            shape: Shape::of_headers(headers, false),
            cors: access::question_cors(&self.settings, headers, self.local),
            request_id: exchange.request_id.clone(),
        }
    }

    /// Whether the server is up, which it is, and whether its settings are sound.
    fn health(&self, caller: &reply::Caller, method: &Method) -> Response<Vec<u8>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return caller.failure(&Failure::Method);
        }
        let settings = match self.settings.fault() {
            Some(fault) => format!("{} {}", fault.variable, fault.what.to(caller.lang)),
            None => "ok".into(),
        };
        let health = json!({ "version": env!("CARGO_PKG_VERSION"), "settings": settings });
        caller.reply(
            StatusCode::OK,
            HeaderValue::from_static("application/json"),
            health.to_string(),
        )
    }

    /// Whether a local server is called by a loopback name, or one that `ASK_HOSTS` lists: a page on another name that
    /// points here must not drive it.
    fn is_called_by_its_name<B>(&self, request: &Request<B>) -> bool {
        let mut names = request.headers().get_all(HOST).iter().map(|host| host.to_str().ok());
        let target = request.uri().authority().map(|authority| Some(authority.as_str()));
        let Some(first) = names.next() else { return false };
        [Some(first), target].into_iter().flatten().chain(names).all(|name| {
            let authority: Option<Authority> = name.and_then(|name| name.parse().ok());
            authority
                .is_some_and(|authority| self.is_local_name(authority.host(), authority.as_str()))
        })
    }

    /// The names that browsers know for this machine's. To others, `[::ffff:127.0.0.1]` too, they do not say which site
    /// a request comes from (`Sec-Fetch-Site`), so that an image on any page would ask.
    fn is_local_name(&self, host: &str, authority: &str) -> bool {
        let listed =
            |name: &String| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            || bare.eq_ignore_ascii_case("localhost")
            || bare.to_ascii_lowercase().ends_with(".localhost")
            || self.settings.hosts.iter().any(listed)
    }
}

fn at_once(reply: Response<ReplyBody>) -> Replying {
    Box::pin(ready(reply))
}

/// Whether the path is one of ours, and not the provider's.
fn is_ours(path: &str) -> bool {
    matches!(path, "/" | "/ask" | "/widget.js" | "/healthz" | "/favicon.ico" | "/robots.txt")
        || path.starts_with("/apple-touch-icon")
}
