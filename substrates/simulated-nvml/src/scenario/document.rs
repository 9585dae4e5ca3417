//! The text of a scenario as a tree of values, each with its place. Called by [`super::Scenario::parse`]; [`super::typed`] makes a
//! scenario of the tree.
//!
//! It is a tree, and not the events of the parser, so that what each type of the schema is read with is small: whoever loads the library
//! counts its memory as their own. Anchors, aliases and tags are refused, for the schema has no use for them and a few lines of them
//! could stand for gigabytes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::typed::Mistake;

/// The schema is nested seven deep; a document without end in depth would end the stack of whoever walks through it.
const DEEPEST: usize = 32;

/// A place in the text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) at: At,
    pub(super) value: Value<'t>,
}

/// What stands there.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// One without quotes, which may be a number, a truth value or nothing.
    Plain(Cow<'t, str>),
    /// One in quotes or in a block, which is text.
    Quoted(Cow<'t, str>),
    /// A list.
    List(Vec<Node<'t>>),
    /// A table; each key is there once and is one of the first two.
    Table(Vec<(Node<'t>, Node<'t>)>),
}

impl<'t> Node<'t> {
    /// Reads the one document of a text.
    pub(super) fn of(text: &'t str) -> Result<Self, Mistake> {
        let mut reader = Reader {
            events: Parser::new_from_str(text),
            last: At { line: 1, column: 1 },
        };
        loop {
            let (event, at) = reader.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd => return Err(Mistake::at(at, "there is nothing in it; write a scenario")),
                event => {
                    let document = reader.node(event, at, 0)?;
                    return reader.end().map(|()| document);
                }
            }
        }
    }

    /// The items of the list under a key of this table; none where there is no such list.
    pub(super) fn list(&self, name: &str) -> &[Node<'t>] {
        let Value::Table(entries) = &self.value else {
            return &[];
        };
        match entries.iter().find(|(key, _)| key.text() == Some(name)) {
            Some((
                _,
                Node {
                    value: Value::List(items),
                    ..
                },
            )) => items,
            _ => &[],
        }
    }

    /// The text of a value that is neither a list nor a table.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Plain(text) | Value::Quoted(text) => Some(text),
            Value::List(_) | Value::Table(_) => None,
        }
    }
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    last: At,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, At), Mistake> {
        match self.events.next_event() {
            Some(Ok((event, Span { start, .. }))) => {
                self.last = place(start.line(), start.col());
                Ok((event, self.last))
            }
            Some(Err(error)) => Err(not_yaml(&error)),
            None => Err(Mistake::at(self.last, "the text ends here, too early")),
        }
    }

    /// The value that begins with this event.
    fn node(&mut self, event: Event<'t>, at: At, depth: usize) -> Result<Node<'t>, Mistake> {
        if depth > DEEPEST {
            let words = format!("this is nested more than {DEEPEST} deep; no key of a scenario is");
            return Err(Mistake::at(at, &words));
        }
        let named = match &event {
            Event::Alias(_) => true,
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                *anchor > 0 || tag.is_some()
            }
            _ => false,
        };
        if named {
            let words = "anchors, aliases and tags are not read; write the value itself";
            return Err(Mistake::at(at, words));
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => Value::Plain(text),
            Event::Scalar(text, ..) => Value::Quoted(text),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, at) => items.push(self.node(event, at, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => self.table(depth)?,
            _ => return Err(Mistake::at(at, "no value is here; write one")),
        };
        Ok(Node { at, value })
    }

    fn table(&mut self, depth: usize) -> Result<Value<'t>, Mistake> {
        let (mut entries, mut names) = (Vec::new(), BTreeSet::new());
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Table(entries)),
                (event, at) => self.node(event, at, depth + 1)?,
            };
            let Some(name) = key.text() else {
                return Err(Mistake::at(key.at, "a key is text, and this is a list or a table"));
            };
            if !names.insert(name.to_owned()) {
                let words = format!("{name} is here twice; take one of them away");
                return Err(Mistake::at(key.at, &words));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            entries.push((key, value));
        }
    }

    /// Behind the document there is nothing more.
    fn end(&mut self) -> Result<(), Mistake> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd, _) => {}
                (_, at) => return Err(Mistake::at(at, "a second document begins here; one is read")),
            }
        }
    }
}

/// The parser counts columns from 0.
fn place(line: usize, column: usize) -> At {
    At {
        line,
        column: column + 1,
    }
}

fn not_yaml(error: &ScanError) -> Mistake {
    let at = error.marker();
    Mistake::at(place(at.line(), at.col()), error.info())
}
