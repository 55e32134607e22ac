//! TLS: server certificates, client certificates, users from certificates.

use async_nats::{ConnectErrorKind, ConnectOptions};

use crate::Result;
use crate::auth::{accepted, refused};
use crate::harness::{Report, cert, env, options};

pub async fn run(report: &mut Report) {
    report
        .check("tls_server_cert", async {
            accepted("TLS_URL", trusting("ca")?).await
        })
        .await;
    report
        .check("tls_untrusted_server", untrusted_server())
        .await;
    let mutual = async { accepted("MTLS_URL", presenting("client")?).await };
    report.check("tls_mutual", mutual).await;
    report.check("tls_mutual_no_cert", mutual_no_cert()).await;
    let mapped = async { accepted("MAPPED_URL", presenting("client")?).await };
    report.check("tls_mapped_user", mapped).await;
    let unmapped = async { refused("MAPPED_URL", presenting("stranger")?).await };
    report.check("tls_unmapped_user", unmapped).await;
    let first = async { accepted("TLS_FIRST_URL", trusting("ca")?.tls_first()).await };
    report.check("tls_first", first).await;
}

fn trusting(authority: &str) -> Result<ConnectOptions> {
    Ok(options()
        .require_tls(true)
        .add_root_certificates(cert(&format!("{authority}.pem"))?))
}

fn presenting(name: &str) -> Result<ConnectOptions> {
    let certificate = cert(&format!("{name}.pem"))?;
    Ok(trusting("ca")?.add_client_certificate(certificate, cert(&format!("{name}.key"))?))
}

async fn untrusted_server() -> Result {
    match trusting("other")?.connect(env("TLS_URL")?).await {
        Ok(_) => Err("connected to a server we do not trust".into()),
        Err(error) if format!("{error:?}").contains("UnknownIssuer") => Ok(()),
        Err(error) => Err(format!("got {error:?}, want an unknown issuer").into()),
    }
}

async fn mutual_no_cert() -> Result {
    match trusting("ca")?.connect(env("MTLS_URL")?).await {
        Ok(_) => Err("the server let us in without a certificate".into()),
        // A refusal and not a time-out: the server must close or alert, not leave us hanging.
        Err(error) if error.kind() == ConnectErrorKind::TimedOut => {
            Err(format!("timed out instead of being refused: {error}").into())
        }
        Err(_) => Ok(()),
    }
}
