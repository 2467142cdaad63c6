//! Trials: what is refused before it is stored, and with which words.

use smcp_core::ports::{Isolates as _, TrialRefused, Usage, UsageMeter as _};
use smcp_types::Error;

use crate::support::{Stage, read, request, settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_good_version_answers_and_leaves_no_process() {
    let stage = Stage::new(settings()).await;
    let code = "console.log('hello'); export default { fetch() { return new Response('ok'); } };";
    let trial = stage.trial(code).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    let answer = trial.call(request("/")).await.unwrap();
    assert_eq!(read(answer).await.unwrap(), "ok");
    assert_eq!(trial.logs()[0].message, "hello");
    drop(trial);
    let used = stage.tried();
    assert!(used.cpu_background > std::time::Duration::from_millis(5), "{used:?}");
    assert_eq!((used.starts, used.limit_kills, used.calls), (1, 0, 0));
    // The kill is asynchronous, the end of the process removes its sockets.
    let gone = async {
        while stage.sockets() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, gone).await.unwrap();
    let files = std::fs::read_dir(stage.folder.path().join("cache")).unwrap().count();
    assert_eq!(files, 1, "the compiled configuration waits for the first call");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_start_is_refused_with_its_own_words_and_log() {
    let stage = Stage::new(settings()).await;
    for (code, why) in [
        ("console.warn('before'); throw new Error('nope'); export default {};", "Uncaught Error: nope"),
        ("console.warn('before'); export default { fetch( { };", "Uncaught SyntaxError"),
        (
            "console.warn('before'); export class Nothing {}",
            "main.js has no default export with a fetch handler",
        ),
        (
            "console.warn('before'); export default { scheduled() {} };",
            "main.js has no default export with a fetch",
        ),
        (
            "console.warn('before'); export default class { fetch() {} };",
            "main.js has no default export with a fetch",
        ),
        ("import './missing.js'; export default { fetch() {} };", "No such module"),
    ] {
        let Err(TrialRefused { error: Error::Hosted(refusal), logs }) = stage.trial(code).await else {
            panic!("refused: {code}")
        };
        assert!(
            refusal.message.starts_with("the server does not start: ") && refusal.message.contains(why),
            "{refusal:?}"
        );
        let runs = !code.contains("fetch( {") && !code.contains("missing");
        assert_eq!(runs, logs.iter().any(|line| line.message == "before"), "{logs:?}");
        assert_eq!(stage.sockets(), 0);
    }
    let tenant =
        std::fs::read_dir(stage.folder.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_dir(tenant).unwrap().count(), 0, "nothing is kept of what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_could_send_mail_loads_and_is_told_when_it_does() {
    let stage = Stage::new(settings()).await;
    let code = "import { EmailMessage } from 'cloudflare:email';
        const send = () => { try { return new EmailMessage('a@b.example', 'c@d.example', ''); } catch (error) { return error.message; } };
        export default { fetch() { return new Response(send()); } };";
    let trial = stage.trial(code).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    let answer = trial.call(request("/")).await.unwrap();
    assert_eq!(read(answer).await.unwrap(), "this platform sends no mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn top_level_code_that_does_not_end_is_refused() {
    let stage = Stage::new(settings()).await;
    let refused = stage.trial("console.log('spinning'); for (;;);").await;
    let Err(TrialRefused { error: Error::TimedOut(refusal), logs }) = refused else { panic!("refused") };
    assert_eq!(refusal.message, "the server did not start within 1500 ms (limits.start_ms)");
    assert_eq!(logs.first().map(|line| line.message.as_str()), Some("spinning"));
    assert_eq!(stage.sockets(), 0);
    // The entry is closed by a task of its own.
    let closed = async {
        while stage.tried().limit_kills == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, closed).await.unwrap();
    let used = stage.tried();
    assert_eq!((used.starts, used.limit_kills, used.memory_now), (1, 1, 0));
    assert!(used.cpu_background > std::time::Duration::from_millis(200), "it span for 1500 ms: {used:?}");
    // A version that is refused is forgotten, what its server has used is not.
    stage.supervisor.forget(&Stage::trial_version(stage.tenant())).await;
    assert_eq!(stage.tried(), used);
    let all: Usage = stage.supervisor.tenant(stage.tenant());
    assert_eq!(all, used, "and its tenant pays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_does_not_fit_the_platform_is_refused_by_name() {
    let stage = Stage::new(settings()).await;
    let refused = stage.trial("export default { fetch() {} }; import 'smcp-wrapper.js'; for (;;);").await;
    // The wrapper is a module like another and may be imported; it gives nothing.
    assert!(matches!(refused, Err(TrialRefused { error: Error::TimedOut(_) | Error::Hosted(_), .. })));
}
