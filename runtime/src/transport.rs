//! How bytes travel to the runtime API: plain TCP, one name look-up per process. The only room
//! that knows ureq's `unversioned` hooks, for which ureq is pinned to its minor version.

use std::sync::OnceLock;

use http::Uri;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, TcpConnector};
use ureq::{Agent, Error};

/// Builds an agent that speaks to one host only.
pub(crate) fn agent(config: Config) -> Agent {
    let connector = ().chain(TcpConnector::default());
    Agent::with_parts(config, connector, OneLookUp::default())
}

/// Looks the host's name up at the first call and keeps the answer. By itself, ureq asks at
/// every call, before it looks for an open connection.
#[derive(Debug, Default)]
struct OneLookUp {
    resolver: DefaultResolver,
    found: OnceLock<ResolvedSocketAddrs>,
}

impl Resolver for OneLookUp {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if let Some(found) = self.found.get() {
            return Ok(found.clone());
        }
        let found = self.resolver.resolve(uri, config, timeout)?;
        Ok(self.found.get_or_init(|| found).clone())
    }
}
