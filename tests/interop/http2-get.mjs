// GET URL over HTTP/2 without TLS, with a gRPC content type; prints the status.
import { connect } from "node:http2";

const url = new URL(process.argv[2]);
const session = connect(url.origin);
session.on("error", (error) => { console.error(error); process.exit(1); });
const request = session.request({ ":method": "GET", ":path": url.pathname, "content-type": "application/grpc" });
request.on("response", (headers) => { console.log(headers[":status"]); });
request.on("end", () => session.close());
request.resume();
request.end();
