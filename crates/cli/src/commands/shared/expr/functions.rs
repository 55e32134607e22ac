//! The functions of expressions: about lists (`any`, `all`, `none`, `one`, `count`, `filter`, `map`,
//! `find`, `first`, `last`, `len`, `min`, `max`, `sum`, `join`), texts (`lower`, `upper`, `trim`,
//! `split`), numbers (`abs`, `int`, `float`, `string`) and time (`now`, `date`, `duration`).

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;

use super::value::Val;
use crate::error::{Error, Result};
use crate::output::{duration, time};

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The fewest and the most values it takes.
    takes: (usize, usize),
    /// Whether its second value is a question about each element of the first.
    pub(super) has_predicate: bool,
    pub(super) does: Does,
}

/// What a function does.
#[derive(Debug)]
pub(super) enum Does {
    /// Something with values.
    Plain(for<'a> fn(Vec<Val<'a>>) -> Result<Val<'a>>),
    /// Something with the elements of a list and what the predicate says of each.
    Each(for<'a> fn(Vec<(Val<'a>, Val<'a>)>) -> Result<Val<'a>>),
}

const ANY: usize = usize::MAX;

const fn plain(
    name: &'static str,
    takes: (usize, usize),
    does: for<'a> fn(Vec<Val<'a>>) -> Result<Val<'a>>,
) -> Function {
    Function {
        name,
        takes,
        has_predicate: false,
        does: Does::Plain(does),
    }
}

const fn each(
    name: &'static str,
    does: for<'a> fn(Vec<(Val<'a>, Val<'a>)>) -> Result<Val<'a>>,
) -> Function {
    Function {
        name,
        takes: (2, 2),
        has_predicate: true,
        does: Does::Each(does),
    }
}

static FUNCTIONS: [Function; 26] = [
    each("any", |all| Ok(Val::Bool(!holding(all)?.is_empty()))),
    each("none", |all| Ok(Val::Bool(holding(all)?.is_empty()))),
    each("one", |all| Ok(Val::Bool(holding(all)?.len() == 1))),
    each("all", |all| {
        let count = all.len();
        Ok(Val::Bool(holding(all)?.len() == count))
    }),
    each("count", |all| Ok(Val::Int(holding(all)?.len() as i128))),
    each("filter", |all| Ok(Val::List(holding(all)?))),
    each("find", |all| {
        Ok(holding(all)?.into_iter().next().unwrap_or(Val::Nil))
    }),
    each("map", |all| {
        Ok(Val::List(all.into_iter().map(|(_, said)| said).collect()))
    }),
    plain("first", (1, 1), |of| {
        Ok(list("first", of)?.into_iter().next().unwrap_or(Val::Nil))
    }),
    plain("last", (1, 1), |of| {
        Ok(list("last", of)?.pop().unwrap_or(Val::Nil))
    }),
    plain("len", (1, 1), |of| len(&only(of))),
    plain("min", (1, ANY), |of| extreme("min", of, Ordering::Less)),
    plain("max", (1, ANY), |of| extreme("max", of, Ordering::Greater)),
    plain("sum", (1, 1), |of| {
        let mut sum = Val::Int(0);
        for value in list("sum", of)? {
            sum = super::eval::add(sum, value)?;
        }
        Ok(sum)
    }),
    plain("join", (1, 2), join),
    plain("lower", (1, 1), |of| {
        text("lower", of, |text| text.to_lowercase())
    }),
    plain("upper", (1, 1), |of| {
        text("upper", of, |text| text.to_uppercase())
    }),
    plain("trim", (1, 1), |of| {
        text("trim", of, |text| text.trim().to_owned())
    }),
    plain("split", (2, 2), split),
    plain("abs", (1, 1), |of| match only(of) {
        Val::Int(number) => Ok(Val::Int(number.saturating_abs())),
        Val::Float(number) => Ok(Val::Float(number.abs())),
        other => Err(unfit("abs", &other)),
    }),
    plain("int", (1, 1), |of| int(&only(of))),
    plain("float", (1, 1), |of| float(&only(of))),
    plain("string", (1, 1), |of| {
        Ok(Val::Text(Cow::Owned(written(&only(of)))))
    }),
    plain("now", (0, 0), |_| Ok(Val::Time(Timestamp::now()))),
    plain("date", (1, 1), |of| match only(of) {
        Val::Text(text) => time::parse(&text).map(Val::Time).ok_or_else(|| {
            Error::new(format!(
                "date: {text:?} is no time like 2026-01-31T12:00:00Z"
            ))
        }),
        value @ (Val::Time(_) | Val::Nil) => Ok(value),
        other => Err(unfit("date", &other)),
    }),
    plain("duration", (1, 1), |of| match only(of) {
        Val::Text(text) => Ok(Val::Duration(duration::parse(&text)?.as_nanos() as i128)),
        Val::Int(nanos) | Val::Duration(nanos) => Ok(Val::Duration(nanos)),
        other => Err(unfit("duration", &other)),
    }),
];

/// The function of that name.
pub(super) fn find(name: &str) -> Result<&'static Function> {
    FUNCTIONS
        .iter()
        .find(|function| function.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
            let names = names.join(", ");
            Error::new(format!("there is no function {name:?}: there are {names}"))
        })
}

impl Function {
    /// Whether it takes so many values.
    pub(super) fn check(&self, count: usize) -> Result<()> {
        let (least, most) = self.takes;
        if (least..=most).contains(&count) {
            return Ok(());
        }
        let wanted = match (least, most) {
            (1, 1) => "1 value".to_owned(),
            (least, ANY) => format!("{least} values or more"),
            (least, most) if least == most => format!("{least} values"),
            (least, most) => format!("{least} to {most} values"),
        };
        Err(Error::new(format!(
            "{} takes {wanted}, not {count}",
            self.name
        )))
    }
}

/// The elements of which the predicate is true.
fn holding<'a>(all: Vec<(Val<'a>, Val<'a>)>) -> Result<Vec<Val<'a>>> {
    let mut kept = Vec::new();
    for (element, said) in all {
        if said.truth()? {
            kept.push(element);
        }
    }
    Ok(kept)
}

/// The one value; how many there are was checked when it was read.
fn only(values: Vec<Val<'_>>) -> Val<'_> {
    values.into_iter().next().unwrap_or(Val::Nil)
}

fn unfit(function: &str, value: &Val<'_>) -> Error {
    Error::new(format!("{function} does not take {}", value.kind()))
}

fn list<'a>(function: &str, values: Vec<Val<'a>>) -> Result<Vec<Val<'a>>> {
    match only(values) {
        Val::List(list) => Ok(list),
        Val::Nil => Ok(Vec::new()),
        other => Err(unfit(function, &other)),
    }
}

fn text<'a>(function: &str, values: Vec<Val<'a>>, change: fn(&str) -> String) -> Result<Val<'a>> {
    match only(values) {
        Val::Text(text) => Ok(Val::Text(Cow::Owned(change(&text)))),
        Val::Nil => Ok(Val::Text(Cow::Borrowed(""))),
        other => Err(unfit(function, &other)),
    }
}

fn len<'a>(value: &Val<'a>) -> Result<Val<'a>> {
    let len = match value {
        Val::Nil => 0,
        Val::Text(text) => text.chars().count(),
        Val::List(list) => list.len(),
        Val::Object(fields) => fields.len(),
        other => return Err(Error::new(format!("{} has no length", other.kind()))),
    };
    Ok(Val::Int(len as i128))
}

fn extreme<'a>(name: &str, values: Vec<Val<'a>>, wanted: Ordering) -> Result<Val<'a>> {
    let values = match values.as_slice() {
        [Val::List(_)] => list(name, values)?,
        _ => values,
    };
    let mut best = Val::Nil;
    for value in values {
        if matches!(best, Val::Nil) || value.order(&best)? == Some(wanted) {
            best = value;
        }
    }
    Ok(best)
}

fn join<'a>(values: Vec<Val<'a>>) -> Result<Val<'a>> {
    let between = values.get(1).map(written).unwrap_or_default();
    let parts: Vec<String> = list("join", values)?.iter().map(written).collect();
    Ok(Val::Text(Cow::Owned(parts.join(&between))))
}

fn split<'a>(values: Vec<Val<'a>>) -> Result<Val<'a>> {
    match values.as_slice() {
        [Val::Text(text), Val::Text(between)] if !between.is_empty() => {
            let parts = text.split(between.as_ref());
            let parts = parts.map(|part| Val::Text(Cow::Owned(part.to_owned())));
            Ok(Val::List(parts.collect()))
        }
        _ => Err(Error::new(
            "split takes a text and what stands between its parts",
        )),
    }
}

fn int<'a>(value: &Val<'a>) -> Result<Val<'a>> {
    match value {
        Val::Int(number) | Val::Duration(number) => Ok(Val::Int(*number)),
        Val::Float(number) => Ok(Val::Int(*number as i128)),
        Val::Text(text) => match text.parse() {
            Ok(number) => Ok(Val::Int(number)),
            Err(_) => Err(Error::new(format!("int: {text:?} is no whole number"))),
        },
        other => Err(unfit("int", other)),
    }
}

fn float<'a>(value: &Val<'a>) -> Result<Val<'a>> {
    match value {
        Val::Int(_) | Val::Float(_) => Ok(Val::Float(value.float())),
        Val::Text(text) => match text.parse() {
            Ok(number) => Ok(Val::Float(number)),
            Err(_) => Err(Error::new(format!("float: {text:?} is no number"))),
        },
        other => Err(unfit("float", other)),
    }
}

/// A value as text.
fn written(value: &Val<'_>) -> String {
    match value {
        Val::Nil => "nil".to_owned(),
        Val::Bool(value) => value.to_string(),
        Val::Int(number) => number.to_string(),
        Val::Float(number) => number.to_string(),
        Val::Text(text) => text.to_string(),
        Val::List(list) => format!(
            "[{}]",
            list.iter().map(written).collect::<Vec<_>>().join(", ")
        ),
        Val::Object(fields) => serde_json::to_string(fields).unwrap_or_default(),
        Val::Time(at) => at.to_string(),
        Val::Duration(nanos) => format!("{nanos}ns"),
    }
}
