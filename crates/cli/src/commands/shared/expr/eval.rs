//! Working a tree out about one document.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::functions::Does;
use super::parse::{Node, Operator, regex};
use super::value::Val;
use crate::error::{Error, Result};

/// Numbers that a range may have.
const MAX_RANGE: i128 = 100_000;

/// What names mean: the document, and the element of a list where there is one.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    document: &'a Value,
    element: Option<Val<'a>>,
}

impl<'a> Scope<'a> {
    /// Names are the document's fields.
    pub(super) fn of(document: &'a Value) -> Self {
        Scope {
            document,
            element: None,
        }
    }
}

/// What a tree is worth.
pub(super) fn eval<'a>(node: &'a Node, scope: &Scope<'a>) -> Result<Val<'a>> {
    match node {
        Node::Nil => Ok(Val::Nil),
        Node::Bool(value) => Ok(Val::Bool(*value)),
        Node::Int(number) => Ok(Val::Int(*number)),
        Node::Float(number) => Ok(Val::Float(*number)),
        Node::Text(text) => Ok(Val::Text(Cow::Borrowed(text))),
        Node::List(nodes) => Ok(Val::List(all(nodes, scope)?)),
        Node::Name(name) => Val::of(scope.document).field(name),
        Node::Element => Ok(scope.element.clone().unwrap_or(Val::Nil)),
        Node::Index(of, at) => index(&eval(of, scope)?, &eval(at, scope)?),
        Node::Slice(of, from, to) => {
            let bound = |node: &'a Option<Box<Node>>| match node {
                Some(node) => eval(node, scope).map(Some),
                None => Ok(None),
            };
            slice(eval(of, scope)?, bound(from)?, bound(to)?)
        }
        Node::Not(inner) => Ok(Val::Bool(!eval(inner, scope)?.truth()?)),
        Node::Negate(inner) => match eval(inner, scope)? {
            Val::Int(number) => checked(number.checked_neg()).map(Val::Int),
            Val::Duration(nanos) => checked(nanos.checked_neg()).map(Val::Duration),
            Val::Float(number) => Ok(Val::Float(-number)),
            other => Err(Error::new(format!("{} has no sign", other.kind()))),
        },
        Node::Matches(text, pattern) => match eval(text, scope)? {
            Val::Text(text) => Ok(Val::Bool(pattern.is_match(&text))),
            Val::Nil => Ok(Val::Bool(false)),
            other => Err(Error::new(format!("{} matches no pattern", other.kind()))),
        },
        Node::Choice(condition, yes, no) => match eval(condition, scope)?.truth()? {
            true => eval(yes, scope),
            false => eval(no, scope),
        },
        Node::Binary(operator, left, right) => binary(*operator, left, right, scope),
        Node::Call(function, nodes) => match function.does {
            Does::Plain(does) => does(all(nodes, scope)?),
            Does::Each(does) => does(each(function.name, nodes, scope)?),
        },
    }
}

fn all<'a>(nodes: &'a [Node], scope: &Scope<'a>) -> Result<Vec<Val<'a>>> {
    nodes.iter().map(|node| eval(node, scope)).collect()
}

/// The elements of a list, each with what the predicate says of it.
fn each<'a>(name: &str, nodes: &'a [Node], scope: &Scope<'a>) -> Result<Vec<(Val<'a>, Val<'a>)>> {
    let [list, predicate] = nodes else {
        return Err(Error::new(format!("{name} takes a list and a predicate")));
    };
    let elements = match eval(list, scope)? {
        Val::List(elements) => elements,
        Val::Nil => Vec::new(),
        other => return Err(Error::new(format!("{name} does not take {}", other.kind()))),
    };
    let with = |element: Val<'a>| {
        let scope = Scope {
            element: Some(element.clone()),
            ..scope.clone()
        };
        Ok((element, eval(predicate, &scope)?))
    };
    elements.into_iter().map(with).collect()
}

fn binary<'a>(
    operator: Operator,
    left: &'a Node,
    right: &'a Node,
    scope: &Scope<'a>,
) -> Result<Val<'a>> {
    let left = eval(left, scope)?;
    match operator {
        Operator::And if !left.truth()? => return Ok(Val::Bool(false)),
        Operator::Or if left.truth()? => return Ok(Val::Bool(true)),
        Operator::And | Operator::Or => return Ok(Val::Bool(eval(right, scope)?.truth()?)),
        Operator::Otherwise if matches!(left, Val::Nil) => return eval(right, scope),
        Operator::Otherwise => return Ok(left),
        _ => {}
    }
    let right = eval(right, scope)?;
    let order = |wanted: &[Ordering]| {
        let order = left.order(&right)?;
        Ok(Val::Bool(
            order.is_some_and(|order| wanted.contains(&order)),
        ))
    };
    match operator {
        Operator::Equal => Ok(Val::Bool(left.equals(&right))),
        Operator::Unequal => Ok(Val::Bool(!left.equals(&right))),
        Operator::Less => order(&[Ordering::Less]),
        Operator::Greater => order(&[Ordering::Greater]),
        Operator::LessOrEqual => order(&[Ordering::Less, Ordering::Equal]),
        Operator::GreaterOrEqual => order(&[Ordering::Greater, Ordering::Equal]),
        Operator::In => is_in(&left, &right).map(Val::Bool),
        Operator::Contains => texts(&left, &right, "contains", |text, part| text.contains(part)),
        Operator::StartsWith => texts(&left, &right, "startsWith", |text, part| {
            text.starts_with(part)
        }),
        Operator::EndsWith => texts(&left, &right, "endsWith", |text, part| text.ends_with(part)),
        Operator::Matches => match &right {
            Val::Text(pattern) => {
                let pattern = regex(pattern)?;
                texts(&left, &left, "matches", |text, _| pattern.is_match(text))
            }
            other => Err(Error::new(format!("{} is no pattern", other.kind()))),
        },
        Operator::Range => range(&left, &right),
        Operator::Add => add(left, right),
        Operator::Subtract => subtract(&left, &right),
        _ => arithmetic(operator, &left, &right),
    }
}

fn is_in(value: &Val<'_>, all: &Val<'_>) -> Result<bool> {
    match (value, all) {
        (_, Val::Nil) => Ok(false),
        (value, Val::List(list)) => Ok(list.iter().any(|element| element.equals(value))),
        (Val::Text(name), Val::Object(fields)) => Ok(fields.contains_key(name.as_ref())),
        (value, all) => {
            let (value, all) = (value.kind(), all.kind());
            Err(Error::new(format!(
                "{value} cannot be in {all}: lists are written [1, 2]"
            )))
        }
    }
}

fn texts<'a>(
    left: &Val<'_>,
    right: &Val<'_>,
    operator: &str,
    is_so: impl Fn(&str, &str) -> bool,
) -> Result<Val<'a>> {
    match (left, right) {
        (Val::Text(text), Val::Text(part)) => Ok(Val::Bool(is_so(text, part))),
        (Val::Nil, _) | (_, Val::Nil) => Ok(Val::Bool(false)),
        (left, right) => {
            let (left, right) = (left.kind(), right.kind());
            Err(Error::new(format!(
                "{operator} is about texts, not {left} and {right}"
            )))
        }
    }
}

fn range<'a>(from: &Val<'_>, to: &Val<'_>) -> Result<Val<'a>> {
    match (from, to) {
        (Val::Int(from), Val::Int(to)) if to.saturating_sub(*from) < MAX_RANGE => {
            Ok(Val::List((*from..=*to).map(Val::Int).collect()))
        }
        (Val::Int(_), Val::Int(_)) => Err(Error::new(format!(
            "a range has more than {MAX_RANGE} numbers"
        ))),
        _ => Err(Error::new(
            "a range goes from a whole number to another one",
        )),
    }
}

/// The sum of numbers, texts, times and durations.
pub(super) fn add<'a>(left: Val<'a>, right: Val<'a>) -> Result<Val<'a>> {
    match (left, right) {
        (Val::Text(a), Val::Text(b)) => Ok(Val::Text(Cow::Owned(a.into_owned() + &b))),
        (Val::Time(at), Val::Duration(nanos)) | (Val::Duration(nanos), Val::Time(at)) => {
            moved(at, nanos)
        }
        (Val::Duration(a), Val::Duration(b)) => checked(a.checked_add(b)).map(Val::Duration),
        (left, right) => arithmetic(Operator::Add, &left, &right),
    }
}

fn subtract<'a>(left: &Val<'_>, right: &Val<'_>) -> Result<Val<'a>> {
    match (left, right) {
        (Val::Time(a), Val::Time(b)) => Ok(Val::Duration(a.duration_since(*b).as_nanos())),
        (Val::Time(at), Val::Duration(nanos)) => moved(*at, nanos.saturating_neg()),
        (Val::Duration(a), Val::Duration(b)) => checked(a.checked_sub(*b)).map(Val::Duration),
        (left, right) => arithmetic(Operator::Subtract, left, right),
    }
}

fn moved<'a>(at: Timestamp, nanos: i128) -> Result<Val<'a>> {
    let nanos = i64::try_from(nanos).ok();
    let moved = nanos.and_then(|nanos| at.checked_add(SignedDuration::from_nanos(nanos)).ok());
    checked(moved).map(Val::Time)
}

fn arithmetic<'a>(operator: Operator, left: &Val<'_>, right: &Val<'_>) -> Result<Val<'a>> {
    let is_zero = |number: &Val<'_>| number.float() == 0.0;
    match (operator, left, right) {
        (Operator::Remainder, Val::Int(_), right) if is_zero(right) => {
            Err(Error::new("nothing can be divided by zero"))
        }
        (Operator::Remainder, Val::Int(a), Val::Int(b)) => checked(a.checked_rem(*b)).map(Val::Int),
        (Operator::Add, Val::Int(a), Val::Int(b)) => checked(a.checked_add(*b)).map(Val::Int),
        (Operator::Subtract, Val::Int(a), Val::Int(b)) => checked(a.checked_sub(*b)).map(Val::Int),
        (Operator::Multiply, Val::Int(a), Val::Int(b)) => checked(a.checked_mul(*b)).map(Val::Int),
        (operator, Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => {
            let (a, b) = (left.float(), right.float());
            match operator {
                Operator::Add => Ok(Val::Float(a + b)),
                Operator::Subtract => Ok(Val::Float(a - b)),
                Operator::Multiply => Ok(Val::Float(a * b)),
                Operator::Divide => Ok(Val::Float(a / b)),
                Operator::Power => Ok(Val::Float(a.powf(b))),
                _ => Err(Error::new("a remainder is one of whole numbers")),
            }
        }
        (_, left, right) => {
            let (left, right) = (left.kind(), right.kind());
            Err(Error::new(format!(
                "cannot calculate with {left} and {right}"
            )))
        }
    }
}

fn checked<T>(result: Option<T>) -> Result<T> {
    result.ok_or_else(|| Error::new("a number is too large"))
}

/// A field by name, or an element by number; negative numbers count from the end.
fn index<'a>(of: &Val<'a>, at: &Val<'_>) -> Result<Val<'a>> {
    match (of, at) {
        (of, Val::Text(name)) => of.field(name),
        (Val::Nil, _) => Ok(Val::Nil),
        (Val::List(list), Val::Int(at)) => {
            let at = from_start(*at, list.len());
            Ok(list.get(at).cloned().unwrap_or(Val::Nil))
        }
        (of, at) => {
            let (of, at) = (of.kind(), at.kind());
            Err(Error::new(format!("{of} has nothing at {at}")))
        }
    }
}

fn from_start(at: i128, len: usize) -> usize {
    let at = if at < 0 {
        at.saturating_add(len as i128)
    } else {
        at
    };
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn slice<'a>(of: Val<'a>, from: Option<Val<'_>>, to: Option<Val<'_>>) -> Result<Val<'a>> {
    let bound = |at: Option<Val<'_>>, len: usize, default: usize| match at {
        None | Some(Val::Nil) => Ok(default),
        Some(Val::Int(at)) => Ok(from_start(at, len).min(len)),
        Some(other) => Err(Error::new(format!("nothing ends at {}", other.kind()))),
    };
    match of {
        Val::Nil => Ok(Val::Nil),
        Val::List(list) => {
            let (from, to) = (
                bound(from, list.len(), 0)?,
                bound(to, list.len(), list.len())?,
            );
            Ok(Val::List(list.get(from..to).unwrap_or_default().to_vec()))
        }
        Val::Text(text) => {
            let len = text.chars().count();
            let (from, to) = (bound(from, len, 0)?, bound(to, len, len)?);
            let kept = text.chars().skip(from).take(to.saturating_sub(from));
            Ok(Val::Text(Cow::Owned(kept.collect())))
        }
        other => Err(Error::new(format!("{} has no parts", other.kind()))),
    }
}
