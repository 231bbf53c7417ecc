//! WebSocket tunnels.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::sleep;

use crate::downstream::ClientHandle;

/// Time for the upstream's close frame after the client has closed.
const TUNNEL_CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Copies bytes both ways until both sides have closed, or the client has and the upstream does not
/// follow in time.
pub(super) async fn run_tunnel(
    client: Arc<ClientHandle>,
    client_upgrade: OnUpgrade,
    upstream_upgrade: OnUpgrade,
) {
    let upgrades = tokio::join!(client_upgrade, upstream_upgrade);
    let (Ok(client_io), Ok(upstream_io)) = upgrades else { return };
    let (mut client_io, mut upstream_io) = (TokioIo::new(client_io), TokioIo::new(upstream_io));
    let client_closed = async {
        client.closed().await;
        sleep(TUNNEL_CLOSE_TIMEOUT).await;
    };
    tokio::select! {
        // An error ends the tunnel like EOF.
        _ = copy_bidirectional(&mut client_io, &mut upstream_io) => {}
        () = client_closed => {}
    }
}
