//! The table of routes: what each takes, answers and refuses, and who may ask.
//!
//! **Invariant:** a route is served if and only if it stands in the table, since `Routes` takes
//! both at once. The OpenAPI document is made of the same table, and so are the tests that try
//! every route.
//!
//! The document is OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.1>) and its schemas are those
//! of the types that the gateway answers with.

mod document;
pub(crate) mod faults;
pub(crate) mod older;
mod page;
pub(crate) mod parameters;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use coppice_api::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::auth::Scope;

pub use document::document;
pub use page::page;

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// The method.
    pub method: Verb,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Its name, which clients made of the document call it by.
    pub name: &'static str,
    /// What it belongs to.
    pub family: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What there is to say of it beyond the line; may be empty.
    pub notes: &'static str,
    /// What its caller must be allowed to; none where no credential is asked for.
    pub scope: Option<Scope>,
    /// What it takes beside the body and what every route takes, those of the path included.
    pub parameters: &'static [Parameter],
    /// Its body; none where there is none to send.
    pub body: Option<Shape>,
    /// What it answers where all went well.
    pub answers: &'static [Answer],
    /// What it refuses, beside what every route with a scope refuses.
    pub faults: &'static [&'static [Code]],
}

/// The methods that are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Commands.
    Post,
    /// Takes away.
    Delete,
}

impl Verb {
    /// As the document writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Delete => "delete",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path; always required.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Where it stands.
    pub place: Place,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// Whether the request is refused without it.
    pub required: bool,
    /// What it looks like, as a JSON Schema in text.
    pub schema: &'static str,
}

/// Makes the schema of a type.
pub type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a type, which the document then holds once.
pub fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of any JSON.
#[must_use]
pub fn anything() -> Schema {
    true.into()
}

/// An answer that is no problem.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// When it is given.
    pub description: &'static str,
    /// Its media type and shape; none without a body.
    pub body: Option<(&'static str, Shape)>,
}

impl Answer {
    /// 200 with JSON.
    #[must_use]
    pub const fn json(description: &'static str, shape: Shape) -> Self {
        Self::with(200, description, shape)
    }

    /// A status with JSON.
    #[must_use]
    pub const fn with(status: u16, description: &'static str, shape: Shape) -> Self {
        Self { status, description, body: Some(("application/json", shape)) }
    }

    /// A status without a body.
    #[must_use]
    pub const fn empty(status: u16, description: &'static str) -> Self {
        Self { status, description, body: None }
    }
}

/// Routes with what the document says of them: neither is there without the other.
#[derive(Debug)]
pub(crate) struct Routes<S = ()> {
    router: Router<S>,
    operations: Vec<&'static Operation>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }

    /// Serves an operation.
    pub(crate) fn on<H, T>(mut self, operation: &'static Operation, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let route = on(operation.method.filter(), handler);
        self.router = self.router.route(operation.path, route);
        self.operations.push(operation);
        self
    }

    /// Both families.
    pub(crate) fn merge(mut self, mut other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.append(&mut other.operations);
        self
    }

    /// Gives the handlers what they reach.
    pub(crate) fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), operations: self.operations }
    }

    /// What is served.
    pub(crate) fn into_operations(self) -> Vec<&'static Operation> {
        self.operations
    }
}

impl Routes {
    /// The router, and what it serves.
    pub(crate) fn into_parts(self) -> (Router, Vec<&'static Operation>) {
        (self.router, self.operations)
    }
}
