//! gRPC's health checking (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>), to
//! members alone, as every other call.

use std::sync::Arc;

use tokio_stream::Empty;
use tonic::{Request, Response, Status, async_trait};

use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::exchange::Exchange;

/// Calls of this are health checks.
pub(crate) const PATH: &str = "/grpc.health.v1.Health/";
/// The one service that there is; a check that names none is about it too.
const SERVICE: &str = "blindmatch.exchange.v1.Exchange";

/// Says whether an exchange serves.
pub(crate) struct Check<E>(Arc<E>);

/// A server of health checks.
pub(crate) type Checks<E> = HealthServer<Check<E>>;

/// Checks of `exchange`.
pub(crate) fn checks<E: Exchange>(exchange: &Arc<E>) -> Checks<E> {
    HealthServer::new(Check(Arc::clone(exchange)))
}

#[async_trait]
impl<E: Exchange> Health for Check<E> {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !["", SERVICE].contains(&request.get_ref().service.as_str()) {
            return Err(Status::not_found("there is no such service"));
        }
        let status = if self.0.is_serving() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        let status = status.into();
        Ok(Response::new(HealthCheckResponse { status }))
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask again"))
    }
}
