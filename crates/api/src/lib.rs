//! The JetStream API: requests and responses as JSON.
