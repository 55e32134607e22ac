"""The named checks every client program reports, in the order they run.

The runner holds the list so that a program that dies early, forgets a check
or invents one is a failure rather than a silent gap.
"""

CHECKS = (
    # core.*: one plain server, default limits.
    "server_info",
    "flush_rtt",
    "publish_subscribe",
    "order",
    "wildcards",
    "queue_group",
    "unsubscribe",
    "auto_unsubscribe",
    "no_echo",
    "headers",
    "request_reply",
    "request_many",
    "request_timeout",
    "no_responders",
    "max_payload",
    "subject_mapping",
    # lifecycle.*: draining, and a server that goes away and comes back.
    "drain_subscription",
    "drain_connection",
    "reconnect",
    "reconnect_after_kill",
    "lame_duck",
    # auth.*: credentials, good and bad.
    "auth_token",
    "auth_token_wrong",
    "auth_missing",
    "auth_user_password",
    "auth_password_wrong",
    "auth_bcrypt",
    "auth_no_auth_user",
    "auth_nkey",
    "auth_nkey_wrong",
    # permissions: violations are reported and the connection lives on.
    "permission_publish",
    "permission_subscribe",
    "permission_queue",
    "permission_responses",
    # tls.*
    "tls_server_cert",
    "tls_untrusted_server",
    "tls_mutual",
    "tls_mutual_no_cert",
    "tls_mapped_user",
    "tls_unmapped_user",
    "tls_first",
)
