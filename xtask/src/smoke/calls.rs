//! What is asked of the two examples, with arguments made up anew for every run, and what must come back.

use serde_json::{Value, json};

use crate::random::Random;

/// One call, and the only right answer to it.
pub(super) struct Call {
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
    text: String,
    /// Where the answer has a structured half too.
    structured: Option<Value>,
    /// How many progress notifications come before it.
    progress: usize,
}

impl Call {
    fn new(tool: &'static str, arguments: Value, text: String) -> Self {
        Self { tool, arguments, text, structured: None, progress: 0 }
    }

    fn structured(mut self, structured: Value) -> Self {
        self.structured = Some(structured);
        self
    }

    fn progress(mut self, times: usize) -> Self {
        self.progress = times;
        self
    }

    /// What is wrong with `answer`, which is in the form that the client drivers print.
    pub(super) fn complaint(&self, answer: &Value) -> Option<String> {
        let wrong = |name: &str, wanted: &Value| {
            (answer[name] != *wanted)
                .then(|| format!("{}: {name} is {}, not {wanted}", self.tool, answer[name]))
        };
        wrong("tool", &self.tool.into())
            .or_else(|| wrong("isError", &false.into()))
            .or_else(|| wrong("text", &self.text.as_str().into()))
            .or_else(|| self.structured.as_ref().and_then(|wanted| wrong("structured", wanted)))
            .or_else(|| wrong("progress", &self.progress.into()))
    }
}

/// A made-up morning with the notebook. `greet` answers with GREETING, which is in its smcp.toml.
pub(super) fn notes(random: &mut Random) -> Vec<Call> {
    let [name, first, second, hidden] =
        [(); 4].map(|()| format!("{} {}", random.word(), random.between(100, 999)));
    let text = format!("about {hidden} and more");
    let imported: Vec<_> =
        (0..random.between(2, 6)).map(|_| json!({"title": random.word(), "text": random.word()})).collect();
    let count = imported.len();
    vec![
        Call::new("greet", json!({"name": name}), format!("Good day, {name}!")),
        words(random),
        Call::new("add_note", json!({"title": first, "text": "x"}), format!("Saved note 1: {first}"))
            .structured(json!({"id": 1, "title": first, "text": "x"})),
        Call::new("add_note", json!({"title": second, "text": text}), format!("Saved note 2: {second}"))
            .structured(json!({"id": 2, "title": second, "text": text})),
        Call::new("list_notes", json!({}), format!("1. {first}\n2. {second}")),
        Call::new("search_notes", json!({"query": hidden.to_uppercase()}), format!("2. {second}")),
        Call::new("delete_note", json!({"id": 1}), format!("Deleted note 1: {first}")),
        Call::new("import_notes", json!({"notes": imported}), format!("Imported {count} notes"))
            .progress(count),
    ]
}

fn words(random: &mut Random) -> Call {
    let count = random.between(3, 9);
    let text: String =
        (0..count).map(|_| random.word() + random.pick::<&str>(&[" ", "\n", "  ", " 🙂 "])).collect();
    let (words, characters) = (text.split_whitespace().count(), text.chars().count());
    Call::new("count_words", json!({"text": text}), format!("{words} words, {characters} characters"))
        .structured(json!({"words": words, "characters": characters}))
}

/// A made-up sheet of sums. `compound_interest` answers in CURRENCY, which is in its smcp.toml.
pub(super) fn units(random: &mut Random) -> Vec<Call> {
    let mut number = |least, greatest| random.between(least, greatest);
    let (a, b) = (number(-100_000, 100_000), number(-100_000, 100_000));
    let (hundreds, percent) = (number(1, 10_000), number(1, 100));
    let amount = hundreds * (100 + percent);
    let distance = number(1, 1000);
    let n = number(10, 100_000);
    let sum = n * (n + 1) / 2;
    let (middle, step) = (number(50, 1000), number(1, 50));
    let (least, greatest, total) = (middle - step, middle + step, 3 * middle);
    let year = number(1, 3999);
    vec![
        Call::new("add", json!({"a": a, "b": b}), format!("{a} + {b} = {}", a + b))
            .structured(json!({"sum": a + b})),
        Call::new(
            "compound_interest",
            json!({"principal": hundreds * 100, "percent": percent, "years": 1}),
            format!("{amount}.00 EUR"),
        )
        .structured(json!({"amount": amount, "currency": "EUR"})),
        Call::new(
            "convert",
            json!({"value": distance, "from": "km", "to": "m"}),
            format!("{distance} km = {} m", distance * 1000),
        ),
        Call::new("sum_series", json!({"n": n}), format!("1 + … + {n} = {sum}")).progress(10),
        Call::new("roman_numeral", json!({"number": year}), roman(year))
            .structured(json!({"roman": roman(year)})),
        Call::new(
            "statistics",
            json!({"numbers": [greatest, least, middle]}),
            format!("count 3, sum {total}, mean {middle}, median {middle}, min {least}, max {greatest}"),
        ),
    ]
}

fn roman(number: i64) -> String {
    let digit = |value: i64, [one, five, ten]: [&str; 3]| match value {
        4 => format!("{one}{five}"),
        9 => format!("{one}{ten}"),
        _ => {
            (if value >= 5 { five } else { "" }).to_owned()
                + &one.repeat(usize::try_from(value % 5).unwrap_or_default())
        }
    };
    digit(number / 1000, ["M", "", ""])
        + &digit(number / 100 % 10, ["C", "D", "M"])
        + &digit(number / 10 % 10, ["X", "L", "C"])
        + &digit(number % 10, ["I", "V", "X"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Call, roman};

    #[test]
    fn roman_numerals() {
        for (number, numeral) in
            [(1, "I"), (4, "IV"), (9, "IX"), (14, "XIV"), (1994, "MCMXCIV"), (3999, "MMMCMXCIX")]
        {
            assert_eq!(roman(number), numeral);
        }
    }

    #[test]
    fn every_half_of_an_answer_counts() {
        let call = Call::new("add", json!({}), "3".to_owned()).structured(json!({"sum": 3})).progress(2);
        let good =
            json!({"tool": "add", "isError": false, "text": "3", "structured": {"sum": 3}, "progress": 2});
        assert_eq!(call.complaint(&good), None);
        let wrong = [
            ("tool", json!("sub")),
            ("isError", json!(true)),
            ("text", json!("4")),
            ("text", json!(null)),
            ("structured", json!({"sum": 4})),
            ("progress", json!(1)),
        ];
        for (name, value) in wrong {
            let mut answer = good.clone();
            answer[name] = value;
            assert!(call.complaint(&answer).is_some_and(|said| said.contains(name)), "{name}");
        }
    }
}
