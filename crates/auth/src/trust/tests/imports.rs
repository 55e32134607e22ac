//! Which imports an exporter grants: by name, by position, by activation token.

use super::*;
use crate::account_spec::{
    AccountSpec, Activation, ExportAccess, StreamExport, StreamImport, StreamTarget, SubjectRename,
};
use crate::jwt::{ActivationClaims, Export, ExportKind};
use crate::trust::{ImportDenial, Imported};
use cognate_subject::Filter;

fn activation(signer: &KeyPair, edit: impl FnOnce(&mut ActivationClaims)) -> String {
    let mut claims = ActivationClaims::new(id(&other_account()));
    claims.nats.subject = "private.>".to_owned();
    claims.nats.import_kind = Some(ExportKind::Stream);
    if key(signer) != key(&account()) {
        claims.nats.issuer_account = id(&account());
    }
    edit(&mut claims);
    claims.encode(signer, ISSUED).unwrap()
}

/// An exporter with a private stream, and revocations of its activations.
fn exporter(revoked: &[(String, i64)]) -> TrustedAccount {
    let export = Export {
        subject: "private.>".to_owned(),
        kind: Some(ExportKind::Stream),
        token_required: true,
        revocations: revoked.iter().cloned().collect(),
        ..Export::default()
    };
    accepted(|a| a.nats.exports.push(export))
}

fn import(subject: &str, token: Option<String>) -> StreamImport {
    StreamImport {
        account: id(&account()),
        rename: SubjectRename::for_stream(subject, StreamTarget::Same).unwrap(),
        allow_trace: false,
        activation: token.map(Activation),
    }
}

#[track_caller]
fn check(token: Option<String>, expected: Result<Option<i64>, ImportDenial>) {
    let import = import("private.a", token);
    let granted = exporter(&[]).grants(&key(&other_account()), Imported::from(&import), NOW);
    match (granted, expected) {
        (Ok(grant), Ok(expires)) => assert_eq!(grant.expires, expires),
        (Err(ImportDenial::Activation(text)), Err(ImportDenial::Activation(expected))) => {
            assert!(text.contains(&expected), "{text}");
        }
        (granted, expected) => assert_eq!(granted.map(|grant| grant.expires), expected),
    }
}

#[test]
fn private_exports_take_a_token_of_the_exporter() {
    check(Some(activation(&account(), |_| {})), Ok(None));
    check(Some(activation(&signing_key(), |_| {})), Ok(None));
    let until = |end| activation(&account(), move |a| a.registered.expires = end);
    check(Some(until(NOW + 5)), Ok(Some(NOW + 5)));
    check(Some(until(NOW)), Err(ImportDenial::ActivationExpired));
    check(None, Err(ImportDenial::ActivationRequired));
    let stranger = pair(Kind::Account, 97);
    check(
        Some(activation(&stranger, |_| {})),
        Err(ImportDenial::ActivationIssuer),
    );
    let bad = |text: &str| Err(ImportDenial::Activation(text.to_owned()));
    check(Some("junk".to_owned()), bad("invalid activation token"));
    let edited = |edit: fn(&mut ActivationClaims)| Some(activation(&account(), edit));
    check(
        edited(|a| a.nats.subject = "other.>".to_owned()),
        bad("doesn't match import"),
    );
    check(
        edited(|a| a.nats.import_kind = Some(ExportKind::Service)),
        bad("mismatch"),
    );
    check(
        edited(|a| a.registered.subject = id(&account())),
        bad("being included in"),
    );
    check(
        edited(|a| a.registered.not_before = NOW + 9),
        bad("not yet valid"),
    );
    check(edited(|a| a.nats.issuer_account = id(&other_account())), {
        Err(ImportDenial::ActivationIssuer)
    });
}

#[test]
fn activations_are_revoked_by_account_and_time() {
    let token = activation(&account(), |_| {});
    let granted = |revoked: &[(String, i64)]| {
        let import = import("private.a", Some(token.clone()));
        exporter(revoked).grants(&key(&other_account()), Imported::from(&import), NOW)
    };
    assert!(granted(&[(id(&other_account()), ISSUED - 1)]).is_ok());
    let revoked = Err(ImportDenial::ActivationRevoked);
    assert_eq!(granted(&[(id(&other_account()), ISSUED)]), revoked);
    assert_eq!(granted(&[("*".to_owned(), ISSUED)]), revoked);
}

#[test]
fn exports_are_for_everybody_for_some_or_for_whom_the_subject_names() {
    let filter = |text: &str| Filter::try_from(text).unwrap();
    let at = |text: &str, position| ExportAccess::token_position(&filter(text), position).unwrap();
    let exporter = AccountSpec {
        stream_exports: vec![
            StreamExport {
                subject: filter("public.>"),
                access: ExportAccess::Public,
            },
            StreamExport {
                subject: filter("some.>"),
                access: ExportAccess::Accounts(["B".to_owned()].into_iter().collect()),
            },
            StreamExport {
                subject: filter("own.*.x"),
                access: at("own.*.x", 2),
            },
            StreamExport {
                subject: filter("public.token"),
                access: ExportAccess::Activation(Default::default()),
            },
        ],
        ..AccountSpec::new("A")
    };
    let check = |importer: &str, subject: &str, expected: Result<(), ImportDenial>| {
        let import = import(subject, None);
        let granted = exporter.grants(importer, Imported::from(&import));
        assert_eq!(granted.map(|_| ()), expected, "{importer} {subject}");
    };
    let others = Err(ImportDenial::NotForThisAccount);
    check("B", "public.a", Ok(()));
    check("B", "public.>", Ok(()));
    check("B", ">", Err(ImportDenial::NotExported));
    check("B", "some.a", Ok(()));
    check("C", "some.a", others.clone());
    check("B", "own.B.x", Ok(()));
    check("B", "own.C.x", others.clone());
    check("B", "own.*.x", others);
    check("B", "public.token", Err(ImportDenial::ActivationRequired));
    let service = SubjectRename::for_service("public.a", "").unwrap();
    let service = crate::account_spec::ServiceImport {
        account: "A".to_owned(),
        rename: service,
        share: false,
        activation: None,
    };
    let granted = exporter.grants("B", Imported::from(&service));
    assert_eq!(
        granted.unwrap_err(),
        ImportDenial::NotExported,
        "a stream is no service"
    );
}
