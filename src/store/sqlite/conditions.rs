//! The part of a statement that depends on which filters were given, and the values that belong to it.

use rusqlite::ToSql;

/// Conditions joined by `and`, each with its named values.
#[derive(Default)]
pub struct Conditions {
    /// Begins with ` and `, or is empty.
    pub sql: String,
    values: Vec<(&'static str, Box<dyn ToSql>)>,
}

impl Conditions {
    /// Adds the condition if there is a value for the name in it.
    pub fn given<V: ToSql + 'static>(mut self, value: Option<V>, name: &'static str, condition: &str) -> Conditions {
        if let Some(value) = value {
            self.sql.push_str(" and ");
            self.sql.push_str(condition);
            self.values.push((name, Box::new(value)));
        }
        self
    }

    /// A value that stands elsewhere in the statement.
    pub fn value(mut self, value: impl ToSql + 'static, name: &'static str) -> Conditions {
        self.values.push((name, Box::new(value)));
        self
    }

    pub fn values(&self) -> Vec<(&str, &dyn ToSql)> {
        self.values.iter().map(|(name, value)| (*name, &**value)).collect()
    }
}
