//! The expressions of `--expression` and `--filter`: a question about a document, answered with yes or
//! no.
//!
//! ```text
//! state.messages > 10 and config.name startsWith "ORD"
//! info.cluster.name in ["lon", "sfo"]
//! any(config.subjects, # matches "^js\\.in") or not (config.mirror == nil)
//! now() - date(info.created) > duration("24h")
//! ```
//!
//! The language is the part of Expr (expr-lang.org) that the official tool's users need: literals,
//! fields, comparisons, `and`/`or`/`not`, `in`, `contains`, `startsWith`, `endsWith`, `matches`,
//! arithmetic, `? :`, `??`, and the functions of [`functions`]. A name with a capital letter is looked
//! up as the Go field that the official tool would find: `Info.State.Msgs` is `info.state.messages`.
//! Invariants: parsing needs no document, nesting is bounded, nothing here panics. What is missing in a
//! document equals nil and every empty value, and is neither smaller nor larger than anything; Expr
//! ends with an error there. Absent: maps, variables, dates other than RFC 3339.

mod eval;
mod functions;
mod lex;
mod parse;
mod value;

use serde_json::Value;

use crate::error::{Error, Result};

/// Bytes an expression may have; they bound how deep it nests.
const MAX_LEN: usize = 4096;

/// A question that was understood.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    text: String,
    root: parse::Node,
}

impl Expression {
    /// Reads an expression about documents that have the fields `names`.
    pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Self> {
        if text.len() > MAX_LEN {
            return Err(Error::new(format!(
                "the expression is longer than {MAX_LEN} bytes"
            )));
        }
        let root = parse::parse(text, names)
            .map_err(|error| Error::new(format!("invalid expression: {}", error.message())))?;
        Ok(Expression {
            text: text.to_owned(),
            root,
        })
    }

    /// Whether it is true of a document; an error if the answer is neither yes nor no.
    pub(crate) fn is_true_of(&self, document: &Value) -> Result<bool> {
        let answer = eval::eval(&self.root, &eval::Scope::of(document));
        let told = match answer {
            Ok(value::Val::Bool(answer)) => return Ok(answer),
            Ok(other) => format!("the answer is {}, not true or false", other.kind()),
            Err(error) => error.message().to_owned(),
        };
        Err(Error::new(format!("expression {:?}: {told}", self.text)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        let info = json!({
            "created": "2024-01-01T00:00:00Z",
            "cluster": { "name": "lon", "replicas": [{ "name": "n2", "current": true, "lag": 3 },
                         { "name": "n3", "current": false }] },
            "config": { "name": "ORDERS", "subjects": ["orders.>", "js.in.orders_1"], "num_replicas": 3,
                        "max_age": 0, "max_bytes": -1, "sealed": false },
            "state": { "messages": 12, "bytes": 18_446_744_073_709_551_615_u64, "num_subjects": 2,
                       "consumer_count": 0 }
        });
        json!({ "config": info["config"], "state": info["state"], "info": info, "Info": info })
    }

    fn ask(text: &str) -> Result<bool> {
        Expression::parse(text, &["config", "state", "info", "Info"])?.is_true_of(&document())
    }

    // tidy: long-function: a table of expressions
    #[test]
    fn questions_are_answered() {
        for text in [
            "state.messages > 10",
            "state.messages == 12 && state.messages != 13",
            "state.messages >= 12.0 and 12 <= state.messages",
            "not (state.messages < 10)",
            "not state.messages < 10",
            "!(config.sealed) or false",
            "true || config.sealed and false",
            "info.cluster.name in ['lon', \"sfo\"]",
            "info.cluster.name not in [`sfo`]",
            "\"js.in.orders_1\" in config.subjects",
            "\"name\" in config and \"nothing\" not in config",
            "config.name contains 'DER' and config.name startsWith 'ORD'",
            "config.name endsWith \"RS\" and config.name not endsWith 'R'",
            "config.name matches '^O.*S$'",
            "lower(config.name) == 'orders' and upper('a') == \"A\"",
            "Info.State.Msgs == 12 and Info.State.Consumers == 0",
            "Info.Config.Replicas == 3 && Info.State.NumSubjects == 2",
            "Info.Cluster.Replicas[0].Name == 'n2'",
            "info[\"cluster\"]['name'] == \"lon\"",
            "info.cluster.replicas[-1].name == 'n3'",
            "info?.nothing?.at_all == nil",
            "config.description == '' and config.description == nil",
            "not (config.nothing > 5) and not (config.nothing < 5)",
            "(config.nothing ?? 7) == 7",
            "len(config.subjects) == 2 and len('aö') == 2 and len(config.subjects[0:1]) == 1",
            "any(config.subjects, # startsWith 'js.') and all(config.subjects, {len(#) > 3})",
            "any(info.cluster.replicas, .name == 'n3' and not .current)",
            "none(info.cluster.replicas, {.lag > 5}) and one(info.cluster.replicas, .lag > 1)",
            "count(info.cluster.replicas, .current) == 1",
            "map(info.cluster.replicas, .name) == ['n2', 'n3']",
            "len(filter(info.cluster.replicas, .current)) == 1",
            "find(config.subjects, # contains '>') == 'orders.>'",
            "state.bytes == 18446744073709551615",
            "1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 7 % 4 == 3 and 1 / 2 == 0.5",
            "2 ** 3 ** 2 == 512 and -2 + 3 == 1 and 10 - 2 - 3 == 5",
            "'a' + 'b' == 'ab' and 1_000 == 1e3 and 0x10 == 16",
            "(state.messages > 10 ? 'many' : 'few') == 'many'",
            "5 in 1..10 and 11 not in 1..10",
            "now() - date(info.created) > duration('24h')",
            "date(info.created) + duration(\"1h\") < now()",
            "duration('1m') == 60000000000",
            "max(1, 5, 3) == 5 and min([4, 2]) == 2 and sum([1, 2]) == 3 and abs(-1) == 1",
            "int('5') + 1 == 6 and float('0.5') == 0.5 and string(12) == '12'",
            "trim('  a ') == 'a' and first([1, 2]) == 1 and last([1, 2]) == 2",
            "split('a.b', '.') == ['a', 'b'] and join(['a', 'b'], '.') == 'a.b'",
            "config.name | lower() == 'orders'",
        ] {
            match ask(text) {
                Ok(answer) => assert!(answer, "{text} is not true"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let check = |text: &str, expected: &str| match ask(text) {
            Ok(answer) => panic!("{text} is {answer}"),
            Err(error) => assert!(error.message().contains(expected), "{text}: {error}"),
        };
        check("", "it ends too early");
        check("state.messages >", "it ends too early");
        check("state.messages > 10)", "unexpected \")\" at 20");
        check("(true", "it ends too early");
        check("stat.messages > 1", "there is no \"stat\"");
        check(
            "state.messages",
            "the answer is a number, not true or false",
        );
        check("state.messages > 'a'", "cannot order a number and a text");
        check("state.messages and true", "a number is not true or false");
        check("config.name matches '('", "regex");
        check("frobnicate(1)", "there is no function \"frobnicate\"");
        check("len(1, 2) == 1", "len takes 1 value, not 2");
        check("len(5) == 1", "a number has no length");
        check("'abc", "never ends");
        check("state.messages # 1", "\"#\"");
        check("# == 1", "stands outside");
        check("1 % 0 == 1", "by zero");
        check("1..10000000 == []", "more than");
        check("state.messages § 1", "'§'");
        check(&format!("{}true", "not ".repeat(900)), "nested too deeply");
        check(&"(".repeat(900), "nested too deeply");
        check(&" ".repeat(5000), "longer than");
        check(
            "170141183460469231731687303715884105727 + 1 == 0",
            "too large",
        );
    }
}
