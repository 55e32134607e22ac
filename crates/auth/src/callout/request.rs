//! The question: what the service is told about a client, signed by the server and, if the service
//! has a curve key, sealed for it.

use super::REQUEST_AUDIENCE;
use crate::jwt::{
    AuthorizationRequest, AuthorizationRequestClaims, ClientInformation, ClientTls, ConnectOptions,
    JwtError, ServerId,
};
use crate::nkey::{CurveKeyPair, KeyPair, PublicKey, SEAL_NONCE_BYTES, SealError};
use zeroize::Zeroizing;

/// What the service is told.
#[derive(Clone, Debug)]
pub struct CalloutRequest {
    /// Whom the question is for: the configured issuer, or the asking account.
    pub recipient: PublicKey,
    /// A user key made for this question. Only an answer about it counts.
    pub user_nkey: PublicKey,
    /// Which server asks. Its `xkey` is filled in by [`CalloutRequest::encode`].
    pub server: ServerId,
    /// What is known of the connection.
    pub client: ClientInformation,
    /// What the client sent.
    pub connect: ConnectOptions,
    /// Its TLS connection, if it has one.
    pub tls: Option<ClientTls>,
    /// When the server stops waiting, in seconds since 1970.
    pub expires: i64,
}

/// The keys with which questions and answers are sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// The server's.
    pub server: &'a CurveKeyPair,
    /// The service's.
    pub service: &'a PublicKey,
}

impl Sealing<'_> {
    /// Seals a question. The caller draws the nonce, a fresh one each time.
    ///
    /// # Errors
    /// If the service's key is unusable.
    pub fn seal(&self, token: &str, nonce: [u8; SEAL_NONCE_BYTES]) -> Result<Vec<u8>, SealError> {
        self.server.seal(token.as_bytes(), self.service, nonce)
    }

    pub(super) fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.server.open(sealed, self.service)
    }
}

impl CalloutRequest {
    /// Writes and signs the question at `now`, in seconds since 1970. If it is to be sealed,
    /// `sealing` says so, and [`Sealing::seal`] does it. The result holds the client's
    /// credentials; it is wiped when dropped.
    ///
    /// # Errors
    /// If `server_key` is no server key, or the question is too long.
    pub fn encode(
        self,
        server_key: &KeyPair,
        sealing: Option<Sealing<'_>>,
        now: i64,
    ) -> Result<Zeroizing<String>, JwtError> {
        let mut claims = AuthorizationRequestClaims::new(self.recipient.to_string());
        claims.registered.audience = REQUEST_AUDIENCE.to_owned();
        claims.registered.expires = self.expires;
        claims.nats = AuthorizationRequest {
            server_id: ServerId {
                xkey: sealing.map_or(String::new(), |keys| keys.server.public_key().to_string()),
                ..self.server
            },
            user_nkey: self.user_nkey.to_string(),
            client_info: self.client,
            connect_opts: self.connect,
            client_tls: self.tls,
            ..AuthorizationRequest::default()
        };
        // A nonce is told only to who can check what was signed with it.
        if claims.nats.connect_opts.signed_nonce.is_empty() {
            claims.nats.client_info.nonce = String::new();
        }
        claims.encode(server_key, now).map(Zeroizing::new)
    }
}
