//! From checked options to what the parts of the server are built from.

mod accounts;

use std::sync::Arc;

use cognate_auth::callout::CalloutConfig;
use cognate_auth::nkey::PublicKey;
use cognate_auth::password::Secret;
use cognate_auth::permissions::{Permissions, PermissionsConfig, ResponseLimits, SubjectRules};
use cognate_auth::proxy::TrustedProxies;
use cognate_auth::users::{
    AuthConfig, Authenticator, ConnectionType, Credential, UserConfig, UserPassword,
};
use cognate_config::Options;
use cognate_config::options as config;
use cognate_subject::{Mapping, MappingDestination, MappingError};

pub(crate) use accounts::{accounts, configured, system_account};

/// Who may connect.
pub(crate) fn authenticator(options: &Options) -> Result<Authenticator, String> {
    let mut auth = AuthConfig {
        no_auth_user: options.no_auth_user.clone(),
        proxy_required: options.authorization.proxy_required,
        default_permissions: options
            .authorization
            .default_permissions
            .as_ref()
            .map(permissions),
        ..AuthConfig::default()
    };
    if options.tls.as_ref().is_some_and(|tls| tls.verify_and_map) {
        auth.tls_map = [ConnectionType::Standard].into_iter().collect();
    }
    match &options.authorization.credential {
        config::Credential::None => {}
        config::Credential::UserPassword { user, password } => {
            auth.user = Some(user_password(user, password));
        }
        config::Credential::Token(token) => auth.token = Some(Secret::from_config(token.expose())),
        config::Credential::Users(users) => {
            let users = users.iter().map(|one| user(one, None));
            auth.users = Some(users.collect::<Result<_, String>>()?);
        }
    }
    for account in &options.accounts {
        let users = account.users.iter();
        let users = users.map(|one| user(one, Some(&account.name)));
        let users = users.collect::<Result<Vec<_>, String>>()?;
        if !users.is_empty() {
            auth.users.get_or_insert_default().extend(users);
        }
    }
    if options.opens_global_account() {
        auth.users.get_or_insert_default().push(anybody());
        auth.no_auth_user = Some(ANYBODY.to_owned());
    }
    Authenticator::new(auth).map_err(|error| error.to_string())
}

/// The proxies that may stand in front of clients.
pub(crate) fn proxies(options: &Options) -> Result<TrustedProxies, String> {
    let keys = options
        .trusted_proxies
        .iter()
        .map(|key| PublicKey::parse(key).map_err(|error| format!("trusted proxy {key}: {error}")));
    Ok(TrustedProxies::new(keys.collect::<Result<_, _>>()?))
}

/// The service that decides who gets in, if there is one.
pub(crate) fn callout(options: &Options) -> Result<Option<CalloutConfig>, String> {
    let Some(callout) = &options.authorization.callout else {
        return Ok(None);
    };
    let key = |text: &str| {
        PublicKey::parse(text).map_err(|error| format!("auth_callout: key {text}: {error}"))
    };
    Ok(Some(CalloutConfig {
        issuer: key(&callout.issuer)?,
        account: callout.account.clone(),
        auth_users: callout.auth_users.clone(),
        allowed_accounts: callout.allowed_accounts.clone(),
        xkey: callout.xkey.as_deref().map(key).transpose()?,
    }))
}

/// What users whom such a service places in a configured account may do if it does not say.
pub(crate) fn default_permissions(options: &Options, account: &str) -> Option<Arc<Permissions>> {
    let account = options.accounts.iter().find(|one| one.name == account)?;
    let defaults = permissions(account.default_permissions.as_ref()?);
    // They were compiled for the account's own users; what cannot be compiled allows nothing.
    Some(Arc::new(
        Permissions::compile(defaults).unwrap_or_else(|_| Permissions::nothing()),
    ))
}

/// Who clients without credentials are where the system account alone has users. Knowing the name
/// gives nobody more than keeping silent does.
const ANYBODY: &str = "_anybody_";

fn anybody() -> UserConfig {
    let password = Secret::from_config(ANYBODY);
    UserConfig {
        credential: Credential::Password(UserPassword {
            name: ANYBODY.to_owned(),
            password,
        }),
        permissions: None,
        connection_types: cognate_auth::users::ConnectionTypes::NONE,
        account: None,
        proxy_required: false,
    }
}

/// What leads from a JetStream domain's own prefix to the API of this server.
pub(crate) fn domain_mappings(options: &Options) -> Result<Vec<Mapping>, MappingError> {
    let jetstream = options.jetstream.as_ref();
    let Some(domain) = jetstream.and_then(|jetstream| jetstream.domain.as_ref()) else {
        return Ok(Vec::new());
    };
    let prefix = format!("$JS.{domain}.API");
    let api = [
        "INFO",
        "STREAM.>",
        "CONSUMER.>",
        "DIRECT.>",
        "META.>",
        "SERVER.>",
        "ACCOUNT.>",
    ];
    let api = api.map(|part| (format!("{prefix}.{part}"), format!("$JS.API.{part}")));
    let data = ["$KV.>", "$OBJ.>"].map(|part| (format!("{prefix}.{part}"), part.to_owned()));
    api.into_iter()
        .chain(data)
        .map(|(source, subject)| Mapping::new(&source, vec![MappingDestination::all(subject)]))
        .collect()
}

fn user_password(name: &str, password: &config::Secret) -> UserPassword {
    UserPassword {
        name: name.to_owned(),
        password: Secret::from_config(password.expose()),
    }
}

fn user(user: &config::User, account: Option<&str>) -> Result<UserConfig, String> {
    let credential = match user {
        config::User::Password { user, password, .. } => {
            Credential::Password(user_password(user, password))
        }
        config::User::Nkey { nkey, .. } => Credential::Nkey(
            PublicKey::parse(nkey).map_err(|error| format!("nkey {nkey}: {error}"))?,
        ),
    };
    Ok(UserConfig {
        credential,
        permissions: user.permissions().map(permissions),
        connection_types: user
            .allowed_connection_types()
            .iter()
            .map(connection_type)
            .collect(),
        account: account.map(str::to_owned),
        proxy_required: user.proxy_required(),
    })
}

fn permissions(permissions: &config::Permissions) -> PermissionsConfig {
    PermissionsConfig {
        publish: rules(permissions.publish.as_ref()),
        subscribe: rules(permissions.subscribe.as_ref()),
        responses: permissions.responses.map(|responses| ResponseLimits {
            max_messages: responses
                .max_messages
                .map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
            expires: responses.expires,
        }),
    }
}

fn rules(rules: Option<&config::SubjectPermission>) -> SubjectRules {
    let Some(rules) = rules else {
        return SubjectRules::default();
    };
    SubjectRules {
        allow: rules.allow.clone().unwrap_or_default(),
        deny: rules.deny.clone(),
    }
}

fn connection_type(kind: &config::ConnectionType) -> ConnectionType {
    match kind {
        config::ConnectionType::Standard => ConnectionType::Standard,
        config::ConnectionType::Websocket => ConnectionType::Websocket,
        config::ConnectionType::Leafnode => ConnectionType::Leafnode,
        config::ConnectionType::LeafnodeWs => ConnectionType::LeafnodeWs,
        config::ConnectionType::Mqtt => ConnectionType::Mqtt,
        config::ConnectionType::MqttWs => ConnectionType::MqttWs,
        config::ConnectionType::InProcess => ConnectionType::InProcess,
    }
}
