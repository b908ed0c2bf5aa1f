//! Which addresses are dialled.

use crate::fake::{Fake, MANIFEST, Reply, client, open_client};
use kedge_registry::{Access, EgressRule};

#[tokio::test]
async fn loopback_is_closed_unless_added() {
    let fake = Fake::http(|_| Reply::ok(MANIFEST)).await;
    let port = fake.address.port();
    let client = client();
    for host in [
        fake.host(),
        format!("localhost:{port}"),
        format!("2130706433:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("0x7f.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
    ] {
        let error = client.ping(&Access::anonymous(&host)).await.unwrap_err();
        assert_eq!(error.code(), "egress_refused", "{host}: {error}");
    }
    assert_eq!(fake.seen_all(), 0);
    client.ping(&fake.access()).await.unwrap();
    open_client().ping(&Access::anonymous(fake.host())).await.unwrap();
}

#[tokio::test]
async fn an_allowance_for_another_port_is_none() {
    let fake = Fake::http(|_| Reply::ok(MANIFEST)).await;
    let access = Access {
        egress: EgressRule::ExplicitHost(format!("127.0.0.1:{}", fake.address.port() ^ 1)),
        ..Access::anonymous(fake.host())
    };
    assert_eq!(client().ping(&access).await.unwrap_err().code(), "egress_refused");
    // Nor does a connection that was opened under the allowance serve without it.
    let client = client();
    client.ping(&fake.access()).await.unwrap();
    let error = client.ping(&Access::anonymous(fake.host())).await.unwrap_err();
    assert_eq!(error.code(), "egress_refused");
}

#[tokio::test]
async fn metadata_stays_closed() {
    for host in ["169.254.169.254", "[fd00:ec2::254]", "0.0.0.0:1", "[::]:1"] {
        let error = client().ping(&Access::explicit(host)).await.unwrap_err();
        assert_eq!(error.code(), "egress_refused", "{host}: {error}");
    }
}

#[tokio::test]
async fn a_host_is_only_a_host() {
    for host in ["", "a/b", "u@127.0.0.1", "127.0.0.1/v2/?x="] {
        let error = client().ping(&Access::explicit(host)).await.unwrap_err();
        assert_eq!(error.code(), "registry_host_invalid", "{host}: {error}");
    }
}
