//! Requests about clusters and whole accounts.

use cognate_model::json::Unknown;
use cognate_model::{ApiError, Placement, record};

use super::{parse, parse_optional, parse_required};

record! {
    /// `STREAM.PEER.REMOVE`: which server.
    pub struct PeerRequest("JSApiStreamRemovePeerRequest") {
        /// Its name.
        peer: String = "peer",
    }
}

impl PeerRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10003 if there is none or it names nobody, 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        let request: Self = parse_required(body, unknown)?;
        if request.peer.is_empty() {
            return Err(cognate_model::error::BAD_REQUEST);
        }
        Ok(request)
    }
}

record! {
    /// `STREAM.LEADER.STEPDOWN` and its like: who is to lead.
    pub struct StepDownRequest("JSApiLeaderStepdownRequest") {
        /// Where.
        placement: Option<Placement> = "placement" omit,
    }
}

impl StepDownRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse_optional(body, unknown)
    }
}

record! {
    /// `SERVER.REMOVE`: which server.
    pub struct ServerRemoveRequest("JSApiMetaServerRemoveRequest") {
        /// Its name.
        peer: String = "peer",
        /// Its id.
        peer_id: String = "peer_id" omit,
    }
}

impl ServerRemoveRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10003 if there is none, 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse_required(body, unknown)
    }
}

record! {
    /// `ACCOUNT.STREAM.MOVE`: from where to where.
    pub struct MoveRequest("JSApiMetaServerStreamMoveRequest") {
        /// Away from this server.
        server: String = "server" omit,
        /// To this cluster.
        cluster: String = "cluster" omit,
        /// To this domain.
        domain: String = "domain" omit,
        /// To servers with these tags.
        tags: Vec<String> = "tags" omit,
    }
}

impl MoveRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// 10025.
    pub fn parse(body: &[u8], unknown: Unknown) -> Result<Self, ApiError> {
        parse(body, unknown)
    }
}
