//! From words to a tree, by precedence: `?:` binds least, then `|`, `or`, `and`, `not`, comparisons,
//! `..`, `+ -`, `* / %`, signs, `**`, `??`, and fields most.

use regex::Regex;

use super::functions::{self, Function};
use super::lex::{self, Token};
use crate::error::{Error, Result};

/// Brackets and signs inside of each other.
const MAX_DEPTH: usize = 64;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// A field of the document.
    Name(String),
    /// What a list's function looks at: `#`.
    Element,
    /// `of.name` and `of["name"]` are the same if the index is a text.
    Index(Box<Node>, Box<Node>),
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// `text matches "literal"`: the pattern was read once.
    Matches(Box<Node>, Regex),
    Choice(Box<Node>, Box<Node>, Box<Node>),
    Call(&'static Function, Vec<Node>),
}

/// What stands between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Otherwise,
}

/// How tightly comparisons bind; `not` stands just above.
const COMPARISON: u8 = 20;
const SIGN: u8 = 90;

/// Reads a whole expression about a document with the fields `names`.
pub(super) fn parse(text: &str, names: &[&str]) -> Result<Node> {
    let words = lex::words(text)?;
    let mut parser = Parser {
        words: &words,
        names,
        depth: 0,
        in_list: 0,
    };
    let node = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    words: &'a [(Token, usize)],
    names: &'a [&'a str],
    depth: usize,
    /// How many functions over lists are around here.
    in_list: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.words.first().map_or(&Token::End, |(token, _)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        // The end stays where it is.
        if token != Token::End {
            self.words = self.words.get(1..).unwrap_or_default();
        }
        token
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if is_it {
            self.next();
        }
        is_it
    }

    fn require(&mut self, sign: &str) -> Result<()> {
        match self.takes(sign) {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> Error {
        match self.words.first() {
            None | Some((Token::End, _)) => Error::new("it ends too early"),
            Some((token, at)) => Error::new(format!("unexpected {} at {at}", token.told())),
        }
    }

    /// Goes one level deeper, if there is one.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::new("it is nested too deeply"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn expression(&mut self) -> Result<Node> {
        self.nested(|parser| {
            let condition = parser.binary(0)?;
            if !parser.takes("?") {
                return Ok(condition);
            }
            let yes = parser.expression()?;
            parser.require(":")?;
            let no = parser.expression()?;
            Ok(Node::Choice(condition.into(), yes.into(), no.into()))
        })
    }

    fn binary(&mut self, least: u8) -> Result<Node> {
        let mut left = self.unary()?;
        loop {
            if least == 0 && self.takes("|") {
                left = self.piped(left)?;
                continue;
            }
            let Some((operator, binds, is_negated)) = self.operator(least) else {
                return Ok(left);
            };
            // To the right, `2 ** 3 ** 2` is `2 ** 9`; all others go from left to right.
            let further = binds + u8::from(operator != Operator::Power);
            let right = self.nested(|parser| parser.binary(further))?;
            left = combined(operator, left, right)?;
            if is_negated {
                left = Node::Not(left.into());
            }
        }
    }

    /// Takes the operator that comes next if it binds at least as tightly as `least`; with whether a
    /// `not` stands before it.
    fn operator(&mut self, least: u8) -> Option<(Operator, u8, bool)> {
        let is_not = |token: &Token| matches!(token, Token::Name(name) if name == "not");
        let is_negated = is_not(self.peek());
        let at = usize::from(is_negated);
        let (operator, binds) = self
            .words
            .get(at)
            .and_then(|(token, _)| operator_of(token))?;
        if binds < least || (is_negated && binds != COMPARISON) {
            return None;
        }
        self.words = self.words.get(at + 1..).unwrap_or_default();
        Some((operator, binds, is_negated))
    }

    fn unary(&mut self) -> Result<Node> {
        let is_not = match self.peek() {
            Token::Name(name) => name == "not",
            Token::Sign(sign) => *sign == "!",
            _ => false,
        };
        if is_not {
            self.next();
            let inner = self.nested(|parser| parser.binary(COMPARISON))?;
            return Ok(Node::Not(inner.into()));
        }
        if self.takes("-") {
            let inner = self.nested(|parser| parser.binary(SIGN))?;
            return Ok(Node::Negate(inner.into()));
        }
        if self.takes("+") {
            return self.nested(|parser| parser.binary(SIGN));
        }
        let node = self.primary()?;
        self.postfix(node)
    }

    fn primary(&mut self) -> Result<Node> {
        match self.peek().clone() {
            Token::Text(text) => self.literal(Node::Text(text)),
            Token::Int(number) => self.literal(Node::Int(number)),
            Token::Float(number) => self.literal(Node::Float(number)),
            Token::Name(name) => self.named(&name),
            Token::Sign("(") => {
                self.next();
                let inner = self.expression()?;
                self.require(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                self.next();
                Ok(Node::List(self.list("]")?))
            }
            Token::Sign("#") => {
                if self.in_list == 0 {
                    return Err(Error::new("\"#\" stands outside of a function over a list"));
                }
                self.literal(Node::Element)
            }
            // `.name` is a field of the element.
            Token::Sign(".") if self.in_list > 0 => Ok(Node::Element),
            _ => Err(self.unexpected()),
        }
    }

    fn literal(&mut self, node: Node) -> Result<Node> {
        self.next();
        Ok(node)
    }

    fn named(&mut self, name: &str) -> Result<Node> {
        match name {
            "true" | "false" => return self.literal(Node::Bool(name == "true")),
            "nil" | "null" => return self.literal(Node::Nil),
            "and" | "or" | "in" | "contains" | "startsWith" | "endsWith" | "matches" => {
                return Err(self.unexpected());
            }
            _ => {}
        }
        self.next();
        if self.takes("(") {
            return self.call(name, None);
        }
        if !self.names.contains(&name) {
            return Err(Error::new(format!(
                "there is no {name:?}: there are {}",
                self.names.join(", ")
            )));
        }
        Ok(Node::Name(name.to_owned()))
    }

    /// What stands before `|` is the first value of the call behind it.
    fn piped(&mut self, left: Node) -> Result<Node> {
        let Token::Name(name) = self.next() else {
            return Err(Error::new("a function has to follow \"|\""));
        };
        self.require("(")?;
        let call = self.call(&name, Some(left))?;
        self.postfix(call)
    }

    /// A call whose bracket was opened.
    fn call(&mut self, name: &str, first: Option<Node>) -> Result<Node> {
        let function = functions::find(name)?;
        let mut values: Vec<Node> = first.into_iter().collect();
        let mut is_first = true;
        while !self.takes(")") {
            if !is_first {
                self.require(",")?;
            }
            is_first = false;
            values.push(match function.has_predicate && values.len() == 1 {
                true => self.predicate()?,
                false => self.expression()?,
            });
        }
        function.check(values.len())?;
        Ok(Node::Call(function, values))
    }

    fn predicate(&mut self) -> Result<Node> {
        self.in_list += 1;
        let has_braces = self.takes("{");
        let node = self.expression();
        self.in_list -= 1;
        let node = node?;
        if has_braces {
            self.require("}")?;
        }
        Ok(node)
    }

    /// Values up to a closing bracket.
    fn list(&mut self, end: &str) -> Result<Vec<Node>> {
        let mut values = Vec::new();
        while !self.takes(end) {
            if !values.is_empty() {
                self.require(",")?;
                if self.takes(end) {
                    break;
                }
            }
            values.push(self.expression()?);
        }
        Ok(values)
    }

    /// Fields, indexes and slices.
    fn postfix(&mut self, mut node: Node) -> Result<Node> {
        loop {
            if self.takes(".") || self.takes("?.") {
                let Token::Name(name) = self.next() else {
                    return Err(Error::new("a field's name has to follow \".\""));
                };
                node = Node::Index(node.into(), Node::Text(name).into());
            } else if self.takes("[") {
                node = self.index(node)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn index(&mut self, of: Node) -> Result<Node> {
        let from = match self.peek() {
            Token::Sign(":") => None,
            _ => Some(self.expression()?),
        };
        if self.takes(":") {
            let to = match self.peek() {
                Token::Sign("]") => None,
                _ => Some(Box::new(self.expression()?)),
            };
            self.require("]")?;
            return Ok(Node::Slice(of.into(), from.map(Box::new), to));
        }
        self.require("]")?;
        let at = from.ok_or_else(|| Error::new("an index is missing"))?;
        Ok(Node::Index(of.into(), at.into()))
    }
}

fn combined(operator: Operator, left: Node, right: Node) -> Result<Node> {
    match (operator, &right) {
        (Operator::Matches, Node::Text(pattern)) => Ok(Node::Matches(left.into(), regex(pattern)?)),
        _ => Ok(Node::Binary(operator, left.into(), right.into())),
    }
}

/// Reads a pattern.
pub(super) fn regex(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| Error::new(format!("the regex {pattern:?}: {error}")))
}

/// The operator a word is, and how tightly it binds.
fn operator_of(token: &Token) -> Option<(Operator, u8)> {
    let word = match token {
        Token::Name(name) => name.as_str(),
        Token::Sign(sign) => sign,
        _ => return None,
    };
    Some(match word {
        "or" | "||" => (Operator::Or, 10),
        "and" | "&&" => (Operator::And, 15),
        "==" => (Operator::Equal, COMPARISON),
        "!=" => (Operator::Unequal, COMPARISON),
        "<" => (Operator::Less, COMPARISON),
        ">" => (Operator::Greater, COMPARISON),
        "<=" => (Operator::LessOrEqual, COMPARISON),
        ">=" => (Operator::GreaterOrEqual, COMPARISON),
        "in" => (Operator::In, COMPARISON),
        "contains" => (Operator::Contains, COMPARISON),
        "startsWith" => (Operator::StartsWith, COMPARISON),
        "endsWith" => (Operator::EndsWith, COMPARISON),
        "matches" => (Operator::Matches, COMPARISON),
        ".." => (Operator::Range, 25),
        "+" => (Operator::Add, 30),
        "-" => (Operator::Subtract, 30),
        "*" => (Operator::Multiply, 60),
        "/" => (Operator::Divide, 60),
        "%" => (Operator::Remainder, 60),
        "**" | "^" => (Operator::Power, 100),
        "??" => (Operator::Otherwise, 200),
        _ => return None,
    })
}
