# The three variants of the server, bare: one workerd, a socket for each, and nothing of the platform.
# It stands beside the bundles when it is used; every port is the system's choice.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "stateless", worker = (modules = [(name = "main.js", esModule = embed "stateless.js")], compatibilityDate = "2026-04-26")),
    (name = "session", worker = (modules = [(name = "main.js", esModule = embed "session.js")], compatibilityDate = "2026-04-26")),
    (name = "durable", worker = (
      modules = [(name = "main.js", esModule = embed "durable.js")],
      compatibilityDate = "2026-04-26",
      durableObjectNamespaces = [(className = "Everything", uniqueKey = "everything")],
      durableObjectStorage = (inMemory = void),
      bindings = [(name = "EVERYTHING", durableObjectNamespace = "Everything")],
    )),
  ],
  sockets = [
    (name = "stateless", address = "127.0.0.1:0", http = (), service = "stateless"),
    (name = "session", address = "127.0.0.1:0", http = (), service = "session"),
    (name = "durable", address = "127.0.0.1:0", http = (), service = "durable"),
  ],
);
