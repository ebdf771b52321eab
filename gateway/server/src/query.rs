//! The query of a request: members that are known, each at most once.

use axum::http::request::Parts;
use coppice_api::codes;

use crate::problem::Fault;

/// The most rows of one answer.
const ROWS_MAX: usize = 1_000;
/// Rows of one answer, where the request doesn't say.
const ROWS: usize = 100;

/// The members of a query, in the order of the names that it was read for.
#[derive(Debug)]
pub(crate) struct Query<const N: usize> {
    names: [&'static str; N],
    values: [Option<String>; N],
}

impl<const N: usize> Query<N> {
    /// Reads a query that may have these members and no other.
    ///
    /// # Errors
    /// `malformed_request` for another member, or one given twice.
    pub(crate) fn read(parts: &Parts, names: [&'static str; N]) -> Result<Self, Fault> {
        let mut values = [const { None }; N];
        let text = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let Some(at) = names.iter().position(|known| **known == *name) else {
                let detail = format!("there is no query parameter {name:?}");
                return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
            };
            if values[at].replace(value.into_owned()).is_some() {
                let detail = format!("the query parameter {name} is given twice");
                return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
            }
        }
        Ok(Self { names, values })
    }

    /// A member as text.
    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        self.values[at].as_deref()
    }

    /// A member as a whole number.
    ///
    /// # Errors
    /// `malformed_request` for one that is none.
    pub(crate) fn number(&self, at: usize) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(at) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.not_a_number(at))
    }

    /// A member as a place in something that is counted in the store, which counts up to `i64::MAX`.
    ///
    /// # Errors
    /// As [`Query::number`].
    pub(crate) fn place(&self, at: usize) -> Result<Option<u64>, Fault> {
        let place = self.number(at)?;
        match place {
            Some(place) if i64::try_from(place).is_err() => Err(self.not_a_number(at)),
            _ => Ok(place),
        }
    }

    fn not_a_number(&self, at: usize) -> Fault {
        let detail = format!("the query parameter {} is a whole number", self.names[at]);
        Fault::new(codes::MALFORMED_REQUEST, detail)
    }

    /// A member as the number of rows that are wanted, up to a bound.
    ///
    /// # Errors
    /// As [`Query::number`].
    pub(crate) fn rows(&self, at: usize) -> Result<usize, Fault> {
        let limit = self.number(at)?;
        Ok(limit.map_or(ROWS, |limit| usize::try_from(limit).unwrap_or(ROWS_MAX).min(ROWS_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn read(uri: &str) -> Result<Query<2>, Fault> {
        let parts = Request::builder().uri(uri).body(()).unwrap().into_parts().0;
        Query::read(&parts, ["cursor", "limit"])
    }

    #[test]
    fn members_are_decoded_and_may_be_left_out() {
        let query = read("/x?cursor=a%3Ab+c").unwrap();
        assert_eq!(query.text(0), Some("a:b c"));
        assert_eq!(query.rows(1), Ok(ROWS));
        for (limit, rows) in
            [("0", 0), ("7", 7), ("5000", ROWS_MAX), ("18446744073709551615", ROWS_MAX)]
        {
            assert_eq!(read(&format!("/x?limit={limit}")).unwrap().rows(1), Ok(rows));
        }
    }

    #[test]
    fn what_is_unknown_given_twice_or_no_number_is_refused() {
        for uri in ["/x?page=1", "/x?limit=1&limit=2", "/x?%00"] {
            assert_eq!(read(uri).unwrap_err().code(), codes::MALFORMED_REQUEST, "{uri}");
        }
        for limit in ["-1", "x", "", "1.5", "99999999999999999999"] {
            let query = read(&format!("/x?limit={limit}")).unwrap();
            assert_eq!(query.rows(1).unwrap_err().code(), codes::MALFORMED_REQUEST, "{limit}");
        }
    }
}
