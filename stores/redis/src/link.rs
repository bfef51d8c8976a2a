//! The application's connection: every command has a deadline, and every error says what was being done.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tower_jwt_auth::StoreError;

use crate::script::Script;

type Answer = Pin<Box<dyn Future<Output = RedisResult<Value>> + Send>>;

/// Any connection, without its type.
trait Commands: Send + Sync {
    fn send(&self, command: Cmd) -> Answer;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Commands for C {
    fn send(&self, command: Cmd) -> Answer {
        let mut connection = self.clone();
        // As a `Value`: errors of other conversions show what the server has sent.
        Box::pin(async move { command.query_async::<Value>(&mut connection).await })
    }
}

#[derive(Clone)]
pub(crate) struct Link {
    commands: Arc<dyn Commands>,
    deadline: Duration,
}

impl Link {
    pub(crate) fn new<C: ConnectionLike + Clone + Send + Sync + 'static>(
        connection: C,
        deadline: Duration,
    ) -> Self {
        Self { commands: Arc::new(connection), deadline }
    }

    pub(crate) fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The server's answer to a command, if it comes before the deadline; `longer` is the time for which the command may block.
    pub(crate) async fn command(
        &self,
        doing: &'static str,
        command: Cmd,
        longer: Duration,
    ) -> Result<Value, StoreError> {
        self.in_time(doing, longer, self.commands.send(command)).await
    }

    /// The output of a script, which is sent in full to a server that does not know it yet.
    pub(crate) async fn run(
        &self,
        doing: &'static str,
        script: &Script,
        keys: &[String],
        arguments: &[Vec<u8>],
    ) -> Result<Value, StoreError> {
        let call = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            self.commands.send(command)
        };
        let known_or_sent = async {
            match call("EVALSHA", &script.hash).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    call("EVAL", script.code).await
                }
                answer => answer,
            }
        };
        self.in_time(doing, Duration::ZERO, known_or_sent).await
    }

    async fn in_time(
        &self,
        doing: &'static str,
        longer: Duration,
        answer: impl Future<Output = RedisResult<Value>>,
    ) -> Result<Value, StoreError> {
        let failed = |cause| StoreError::new(Failure { doing, cause });
        // There is no timer without a runtime.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(failed(Cause::NoRuntime));
        }
        let deadline = self.deadline.saturating_add(longer);
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(failed(Cause::Redis(error))),
            Err(_) => Err(failed(Cause::TooLate(deadline))),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// What could not be done.
#[derive(Debug)]
struct Failure {
    doing: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    NoRuntime,
    TooLate(Duration),
    Redis(RedisError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis: {}: ", self.doing)?;
        match &self.cause {
            Cause::NoRuntime => f.write_str("a tokio runtime is needed"),
            Cause::TooLate(deadline) => write!(f, "no answer within {deadline:?}"),
            Cause::Redis(error) => write!(f, "{error}"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Redis(error) => Some(error),
            Cause::NoRuntime | Cause::TooLate(_) => None,
        }
    }
}

/// 128 random bits: the name of one call, so that it is known again when the client sends it twice.
pub(crate) fn call_name() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(StoreError::new)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
