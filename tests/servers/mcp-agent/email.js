// In the place of `cloudflare:email`: this server sends no mail.

export class EmailMessage {}
