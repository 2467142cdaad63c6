//! Which store a request on the data socket is for. Only names of the version's own manifest mean anything.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use smcp_core::ports::{BindingService, HostedBody, STORAGE_OPERATIONS_PER_CALL, Workload};

use super::{
    Services,
    refusal::{self, Told},
    rest::Rest,
};
use crate::config::bindings::BINDING_HEADER;

/// Serves one request, and reads what it left of the body, so that the runtime hears the answer.
pub(super) async fn serve(
    services: &Services,
    workload: &Arc<Workload>,
    request: Request<HostedBody>,
) -> Response<HostedBody> {
    let (head, body) = request.into_parts();
    let (body, rest) = Rest::of(body);
    let answer = answer(services, workload, Request::from_parts(head, body)).await;
    rest.pass_over().await;
    answer
}

/// By the binding it is for, from the store of that name, of the workload's own tenant.
async fn answer(
    services: &Services,
    workload: &Arc<Workload>,
    mut request: Request<HostedBody>,
) -> Response<HostedBody> {
    let binding = request.headers_mut().remove(BINDING_HEADER);
    let found = binding.as_ref().and_then(|name| find(services, workload, name.to_str().ok()?));
    let Some((service, store)) = found else {
        let message = "this server has no such binding".to_owned();
        return refusal::phrased(&Told { status: StatusCode::NOT_FOUND, message });
    };
    if !workload.budgets.storage.take() {
        let message = format!(
            "no storage operations are left: each call of the server adds {STORAGE_OPERATIONS_PER_CALL}"
        );
        return refusal::phrased(&Told { status: StatusCode::TOO_MANY_REQUESTS, message });
    }
    service.serve(workload, store, request).await
}

fn find<'a>(
    services: &'a Services,
    workload: &'a Workload,
    name: &str,
) -> Option<(&'a dyn BindingService, &'a str)> {
    let manifest = &workload.manifest;
    let kv = manifest.kv.iter().map(|one| (&one.binding, &one.namespace, &services.kv));
    let objects = manifest.objects.iter().map(|one| (&one.binding, &one.bucket, &services.objects));
    let d1 = manifest.d1.iter().map(|one| (&one.binding, &one.database, &services.d1));
    let mut all = kv.chain(objects).chain(d1);
    all.find(|(binding, ..)| *binding == name).map(|(_, store, service)| (&**service, store.as_str()))
}
