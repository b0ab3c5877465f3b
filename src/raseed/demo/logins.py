"""The demo's logins, as it prints them: who each one is. Needs nothing set up."""

LOGINS = {
    "admin@demo.test": "Admin of Falcon Trading",
    "supervisor@demo.test": "Supervisor there, sees no Billing",
    "agent@demo.test": "Agent there, sees no Billing",
    "admin@suspended.test": "Admin of Palm Logistics, whose service is suspended",
    "support@operator.test": "staff, support",
    "finance@operator.test": "staff, finance",
}
