//! How checks are run and printed (see programs.ts).

use std::env;
use std::error::Error;
use std::time::Duration;

pub type Outcome = Result<(), Box<dyn Error>>;

/// Below the time after which programs.ts takes a silent program for hung.
const LIMIT: Duration = Duration::from_secs(38);

pub struct Check {
    after: String,
    only: String,
    started: bool,
}

impl Check {
    pub fn new() -> Self {
        let after = env::var("EDGEWIRE_AFTER").unwrap_or_default();
        let only = env::var("EDGEWIRE_CHECK").unwrap_or_default();
        Check { started: after.is_empty(), after, only }
    }

    pub async fn run(&mut self, name: &str, body: impl AsyncFnOnce() -> Outcome) {
        if !self.started {
            self.started = name == self.after;
            return;
        }
        if !name.contains(&self.only) {
            return;
        }
        println!("start {name}");
        let outcome = tokio::time::timeout(LIMIT, body()).await.unwrap_or_else(|_| fail("timed out"));
        match outcome {
            Ok(()) => println!("ok {name}"),
            Err(error) => println!("FAIL {name}: {}", explain(error.as_ref()).replace('\n', " | ")),
        }
    }
}

/// The text of an error and its causes: tokio-postgres says only "db error" itself.
fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

pub fn fail<T>(reason: impl Into<String>) -> Result<T, Box<dyn Error>> {
    Err(reason.into().into())
}

pub fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Returns from the check with a failure unless both are equal.
#[macro_export]
macro_rules! equal {
    ($actual:expr, $expected:expr) => {
        // A match, unlike a let, keeps temporaries alive until its end.
        match (&$actual, &$expected) {
            (actual, expected) => {
                if actual != expected {
                    let [got, wanted] =
                        [format!("{actual:?}"), format!("{expected:?}")].map(|text| $crate::check::short(&text));
                    return $crate::check::fail(format!("value is {got}, expected {wanted} (line {})", line!()));
                }
            }
        }
    };
}
