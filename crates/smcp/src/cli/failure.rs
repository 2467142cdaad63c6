//! How a command fails: whose fault it is, what to say, and what to do next.

use serde_json::{Value, json};
use smcp_api::{LogLine, Problem};
use smcp_client::ClientError;
use smcp_types::{Error, Refusal};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    /// The input's: exit status 1.
    #[default]
    Input,
    /// Ours, or the platform's: exit status 2.
    Ours,
    /// Nobody's: whoever read the output has seen enough. Exit status 0, and nothing to say.
    Nobody,
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure(Box<Report>);

/// What there is to say about it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    fault: Fault,
    /// One sentence.
    pub(crate) message: String,
    /// The next step.
    pub(crate) hint: Option<String>,
    /// More of the same kind: every mistake in a file.
    pub(crate) details: Vec<String>,
    /// What a refused version printed.
    pub(crate) logs: Vec<LogLine>,
    /// The request, for whoever runs the platform.
    pub(crate) request_id: Option<String>,
}

impl Failure {
    /// The input is wrong.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::of(Fault::Input, message)
    }

    /// Not the input's fault.
    pub(crate) fn ours(message: impl Into<String>) -> Self {
        Self::of(Fault::Ours, message)
    }

    /// The reader of standard output is gone: stop, without a word.
    pub(crate) fn quiet() -> Self {
        Self::of(Fault::Nobody, "")
    }

    fn of(fault: Fault, message: impl Into<String>) -> Self {
        Self(Box::new(Report { fault, message: message.into(), ..Report::default() }))
    }

    /// Mistakes in the settings.
    pub(crate) fn settings(mistakes: Vec<String>) -> Self {
        let failure = Self::input(match mistakes.len() {
            1 => "a setting is wrong".to_owned(),
            count => format!("{count} settings are wrong"),
        });
        failure.details(mistakes)
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = hint;
        self
    }

    pub(crate) fn details(mut self, details: Vec<String>) -> Self {
        self.0.details = details;
        self
    }

    /// Changes what a refused version printed.
    pub(crate) fn with_logs(mut self, change: impl FnOnce(&mut [LogLine])) -> Self {
        change(&mut self.0.logs);
        self
    }

    /// What to say; nothing when nobody listens any more.
    pub(crate) fn report(&self) -> Option<&Report> {
        (self.0.fault != Fault::Nobody).then_some(&self.0)
    }

    pub(crate) const fn exit_status(&self) -> u8 {
        match self.0.fault {
            Fault::Input => 1,
            Fault::Ours => 2,
            Fault::Nobody => 0,
        }
    }
}

impl Report {
    /// The report for programs.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "message": self.message });
        let mut put = |name: &str, value: Value| error[name] = value;
        if let Some(hint) = &self.hint {
            put("hint", hint.as_str().into());
        }
        if !self.details.is_empty() {
            put("details", self.details.clone().into());
        }
        if !self.logs.is_empty() {
            put("logs", json!(self.logs));
        }
        if let Some(id) = &self.request_id {
            put("request_id", id.as_str().into());
        }
        json!({ "error": error })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        // Being told to come back later is nothing the input could mend.
        let fault = if problem.status >= 500 || problem.status == 429 { Fault::Ours } else { Fault::Input };
        let login = || (problem.status == 401).then(|| "smcp login stores another key".to_owned());
        let hint = problem.hint.or_else(login).or_else(|| where_to_look(&problem.detail));
        let (logs, request_id) = (problem.logs, Some(problem.request_id));
        Self(Box::new(Report { fault, message: problem.detail, hint, details: Vec::new(), logs, request_id }))
    }
}

/// The command that shows what there is, for what is not there.
fn where_to_look(detail: &str) -> Option<String> {
    let rest = detail.strip_prefix("no such ")?;
    let hint = match rest.split(':').next().unwrap_or(rest) {
        "tenant" => {
            "smcp whoami says which tenant your key is of; only the platform's administrators see others"
        }
        "server" => "smcp servers list shows those of the tenant; --tenant SLUG names another tenant",
        "version" => "smcp versions list, with the server's name, shows them",
        "secret" => "smcp secrets list --server, with the server's name, shows them",
        "database" => "smcp d1 list shows those that a statement was ever run in",
        "object" => "smcp objects keys, with the bucket's name, shows them",
        _ => return None,
    };
    Some(hint.to_owned())
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => (*problem).into(),
            ClientError::Unreachable { .. } => Self::ours(error.to_string())
                .hint("is the platform running there? `smcp up` starts one; --endpoint URL names another"),
            ClientError::NotOurs { .. } => {
                Self::ours(error.to_string()).hint("--endpoint URL names the platform, without a path")
            }
            ClientError::Name(_) => Self::input(error.to_string()),
            ClientError::Rpc { status, code, message, data } => {
                let fails =
                    status >= 500 || status == 429 || code == i64::from(smcp_mcp::errors::INTERNAL_ERROR);
                let told = |name: &str| data.as_ref()?.get(name)?.as_str().map(str::to_owned);
                let fault = if fails { Fault::Ours } else { Fault::Input };
                let hint = told("hint").or_else(|| where_to_look(&message));
                let mut failure = Self::of(fault, message).maybe_hint(hint);
                failure.0.request_id = told("requestId");
                failure
            }
        }
    }
}

/// Of a node, whose errors are for its operator: the private part is shown too.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let with = |failure: Self, refusal: Refusal| {
            failure.details(refusal.private.into_iter().collect()).maybe_hint(refusal.hint)
        };
        match error {
            Error::Invalid(refusal)
            | Error::Forbidden(refusal)
            | Error::Conflict(refusal)
            | Error::TooLarge(refusal) => with(Self::input(refusal.message.clone()), refusal),
            Error::Unavailable(refusal)
            | Error::Hosted(refusal)
            | Error::TimedOut(refusal)
            | Error::Damaged(refusal) => with(Self::ours(refusal.message.clone()), refusal),
            Error::Unauthenticated | Error::NotFound(_) => Self::input(error.to_string()),
            Error::Limited { message, .. } => Self::ours(message),
            Error::Internal(private) => Self::ours(private),
        }
    }
}
