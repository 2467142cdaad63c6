//! The few flags of a chore, taken one by one; what is left over is a mistake.

use std::str::FromStr;

use crate::Result;

/// The words after the chore's name.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self(words)
    }

    /// Whether `name` was given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// The value of `name VALUE` or `name=VALUE`.
    pub(crate) fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|word| word.split('=').next() == Some(name)) else {
            return Ok(None);
        };
        let word = self.0.remove(at);
        let value = match word.split_once('=') {
            Some((_, value)) => value.to_owned(),
            None if at < self.0.len() => self.0.remove(at),
            None => return Err(format!("{name} needs a value").into()),
        };
        value.parse().map(Some).map_err(|_| format!("{name} cannot be `{value}`").into())
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => Err(format!("`{word}` means nothing here").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn given(words: &[&str]) -> Arguments {
        Arguments::new(words.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn flags_and_values_are_taken_in_any_order() {
        let mut arguments = given(&["--seconds", "5", "--release", "--seed=7"]);
        assert!(arguments.flag("--release"));
        assert!(!arguments.flag("--release"));
        assert_eq!(arguments.value::<u64>("--seed").unwrap(), Some(7));
        assert_eq!(arguments.value::<u64>("--seconds").unwrap(), Some(5));
        assert!(arguments.finish().is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(given(&["--fast"]).finish().unwrap_err().to_string(), "`--fast` means nothing here");
        let word = given(&["--seconds", "x"]).value::<u64>("--seconds").unwrap_err();
        assert_eq!(word.to_string(), "--seconds cannot be `x`");
        assert!(given(&["--seconds"]).value::<u64>("--seconds").is_err());
    }
}
