"""The API that the services share: routes, the fields of requests, and the form of answers."""
